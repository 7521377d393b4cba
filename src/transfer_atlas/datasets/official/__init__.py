"""Adapters of published datasets in their official layouts: one file a dataset, with what is known of it."""

import transfer_atlas.datasets.adapters  # noqa: F401 (the two import each other: the registry there comes first)
