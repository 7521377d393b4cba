"""Adapters of published datasets in their official layouts: one file a dataset, with what is known of it."""
