"""A simulated health system whose channels' true effects are known."""
