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
