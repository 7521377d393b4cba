"""Figures of the result tables."""
