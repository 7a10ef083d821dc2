"""What it costs to know whether a transaction has committed, and what comes of it."""
