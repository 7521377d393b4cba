"""Datasets: the prepared format, its reader, and the adapters that turn official layouts into it."""
