"""How good predictions are, domain by domain."""
