"""Entropic optimal transport between samples, in blocks."""
