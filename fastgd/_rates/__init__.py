"""What curves and records tell of a learning rate."""
