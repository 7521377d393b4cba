"""Keys: the short hash of everything that can change a run's result."""

from __future__ import annotations

import hashlib
import json
from typing import Any

KEY_LENGTH = 16  # hexadecimal digits, 64 bits: no collision to be expected below a billion runs


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces, the same for equal values. Raises TypeError for other than plain types."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def key_of(value: Any) -> str:
    """Key of a plain value."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:KEY_LENGTH]


def sorted_mappings(value: Any) -> Any:
    """The same value with every mapping in it in the order of its names."""
    if isinstance(value, dict):
        return {name: sorted_mappings(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return [sorted_mappings(inner) for inner in value]
    return value
