"""What watching costs, and what it withstands."""
