"""Being written by the properties builder."""
