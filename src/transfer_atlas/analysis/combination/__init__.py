"""Combining sources: fused features, and multi-sources that scores propose."""
