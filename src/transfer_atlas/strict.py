"""Sections of configurations: unknown keys are refused; what leaves the hash that names a run.

A run's settings are what its key is made of, so a setting that is added later must not change the keys of runs
that do not use it. It is therefore marked with the default it was introduced with:

    warm_up: Annotated[int, Introduced(0)] = 0

`hashed()` leaves out settings that stand at that default, and `from_hashed()` puts it back, whatever the default of
the day has become. Settings that the chosen variant does not use are left out, too: a section names them in `unused`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo


@dataclass(frozen=True)
class Introduced:
    """The default that a setting was introduced with, as plain built-ins."""

    default: Any


class Strict(BaseModel):
    """A section of the configuration: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def unused(self) -> set[str]:
        """Names of settings that cannot change a result as the others stand."""
        return set()

    def hashed(self, *, leave_out: frozenset[str] = frozenset()) -> dict[str, Any]:
        """What of this section enters a key: plain built-ins with sorted names.

        leave_out: names that the caller does without.
        """
        plain = {}
        for name in sorted(type(self).model_fields):
            if name in leave_out or name in self.unused():
                continue
            value = _plain(getattr(self, name))
            marker = _introduced(type(self).model_fields[name])
            if marker is None or value != _plain(marker.default):
                plain[name] = value
        return plain

    @classmethod
    def from_hashed(cls, values: dict[str, Any]) -> Self:
        """The section that `hashed` was made of, but for settings that it does not use."""
        filled = dict(values)
        for name, field in cls.model_fields.items():
            marker = _introduced(field)
            if marker is not None and name not in filled:
                filled[name] = marker.default
            elif isinstance(filled.get(name), dict) and _section(field) is not None:
                filled[name] = _section(field).from_hashed(filled[name])
        return cls.model_validate(filled)


def _introduced(field: FieldInfo) -> Introduced | None:
    return next((mark for mark in field.metadata if isinstance(mark, Introduced)), None)


def _section(field: FieldInfo) -> type[Strict] | None:
    """The section that a field is, if it is one."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Strict) else None


def _plain(value: Any) -> Any:
    """A value of a section as plain built-ins."""
    if isinstance(value, Strict):
        return value.hashed()
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, dict):
        return {name: _plain(value[name]) for name in sorted(value)}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return str(value) if hasattr(value, "__fspath__") else value
