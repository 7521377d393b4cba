"""Which keys and sections may stand at a place of the configuration, found by walking the models."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel


def keys_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Keys allowed at a location of the configuration, as pydantic states it: keys, indices and union tags."""
    found: list[Any] = [model]
    for step in location:
        found = [inner for annotation in found for inner in _step(annotation, step)]
    return sorted({name for inner in found if is_model(inner) for name in inner.model_fields})


def tags_at(model: type[BaseModel], location: tuple[int | str, ...], key: str) -> list[str]:
    """Values that a key may have which tells sections apart, at a location of the configuration."""
    found: list[Any] = [model]
    for step in location:
        found = [inner for annotation in found for inner in _step(annotation, step)]
    sections = [inner for annotation in found for inner in models_of(annotation)]
    return sorted({str(tag) for each in sections if key in each.model_fields for tag in _tags(each, key)})


def _tags(model: type[BaseModel], key: str) -> tuple[Any, ...]:
    return typing.get_args(model.model_fields[key].annotation)


def models_of(annotation: Any) -> Iterator[type[BaseModel]]:
    """Models that occur in an annotation."""
    if is_model(annotation):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from models_of(inner)


def _step(annotation: Any, step: int | str) -> Iterator[Any]:
    """Annotations reached from one by a step of pydantic's location: a key, an index, or a union's tag."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if is_model(annotation):
        if step in annotation.model_fields:
            yield annotation.model_fields[step].annotation
        elif any(step in typing.get_args(field.annotation) for field in annotation.model_fields.values()):
            yield annotation  # the tag of a discriminated union, which stands where no key does
    elif origin is typing.Annotated:
        yield from _step(inner[0], step)
    elif origin is dict:
        yield inner[1]
    elif origin in (list, tuple):
        yield inner[0]
    elif origin in (typing.Union, types.UnionType):
        for each in inner:
            yield from _step(each, step)


def is_model(annotation: Any) -> bool:
    """Whether an annotation is a section of the configuration."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
