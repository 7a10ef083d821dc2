"""What the benchmarks share: rounds, peers, figures, and the page they end up on."""
