"""Transfer Atlas: which model should I start from for my dataset? Measured, and predicted."""

__version__ = "0.1.0"
