"""The miniature world: rendered scenes with consistent annotations of every task type."""
