"""The configuration as documentation."""


def keys_at(a, b):
    return []
