"""Datasets: the prepared format, its reader, and the adapters that turn official layouts into it."""

from typing import Any

__all__ = ["open_dataset"]


def __getattr__(name: str) -> Any:
    """Import what is exported when it is first used: reading a study needs none of it."""
    if name == "open_dataset":
        from transfer_atlas.datasets.open import open_dataset

        return open_dataset
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
