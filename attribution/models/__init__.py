"""Credit models and what they learn from."""
