"""The adapters by name, found by their files: a module of `adapters/` or `official/` that has all an adapter needs.

A new adapter is a new file, and no line elsewhere: `adapters/<name>.py` for a layout that many datasets share,
`official/<name>.py` for the layout of one dataset as its authors distribute it. Modules without `Settings` are
helpers of the others.
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Union

from pydantic import Field, TypeAdapter, ValidationError

from transfer_atlas.datasets.adapters.base import Adapter
from transfer_atlas.datasets.prepared import TaskType
from transfer_atlas.errors import DatasetError

FOLDERS = ("adapters", "official")
MEMBERS = ("Settings", "records", "describe", "raw_path", "task_types")  # see base.Adapter
OFFICIAL_MEMBERS = (*MEMBERS, "CARD")  # what is to be known of the dataset: licence, source, counts, citation


def _found() -> dict[str, Adapter]:
    """Import the modules, and return those that are adapters by the name their settings have.

    Raises ImportError for a module that lacks a member, or whose name is taken: a mistake in the code.
    """
    adapters: dict[str, Adapter] = {}
    for folder in FOLDERS:
        for file in sorted((Path(__file__).parent / folder).glob("[!_]*.py")):
            module = import_module(f"transfer_atlas.datasets.{folder}.{file.stem}")
            if not hasattr(module, "Settings"):
                continue
            wanted = OFFICIAL_MEMBERS if folder == "official" else MEMBERS
            lacking = [member for member in wanted if not hasattr(module, member)]
            name = module.Settings.model_fields["name"].default
            if lacking or name in adapters:
                said = f"lacks {', '.join(lacking)}" if lacking else f"has the name '{name}' of another"
                raise ImportError(f"{module.__name__} {said}; see adapters/base.py for what an adapter is")
            adapters[name] = module
    return dict(sorted(adapters.items()))


ADAPTERS: dict[str, Adapter] = _found()

# What a dataset's entry in a study may be; `name` says which adapter reads it.
if TYPE_CHECKING:
    AdapterSettings = Any  # which files there are is unknown before the module runs
else:
    AdapterSettings = Annotated[
        Union[tuple(adapter.Settings for adapter in ADAPTERS.values())],  # noqa: UP007 (of a tuple)
        Field(discriminator="name"),
    ]


def settings_of(adapter: str, **options: Any) -> Any:
    """Validated settings of an adapter by name; options: its settings, without `name`.

    Raises DatasetError for an unknown adapter, or for options it refuses.
    """
    if adapter not in ADAPTERS:
        raise DatasetError(f"There is no adapter '{adapter}'; expected one of {', '.join(ADAPTERS)}.")
    try:
        return TypeAdapter(ADAPTERS[adapter].Settings).validate_python({"name": adapter, **options})
    except ValidationError as error:
        found = "; ".join(
            f"{'.'.join(map(str, entry['loc'])) or 'options'}: {entry['msg'].removeprefix('Value error, ')}"
            for entry in error.errors()
        )
        known = ", ".join(name for name in ADAPTERS[adapter].Settings.model_fields if name != "name")
        raise DatasetError(f"Adapter '{adapter}': {found}. Its options are {known}.") from error


def task_types(settings: Any) -> tuple[TaskType, ...]:
    """Task types that a dataset's adapter delivers. ConfigurationError for an unknown miniature dataset."""
    return ADAPTERS[settings.name].task_types(settings)


def raw_path(settings: Any) -> str | None:
    """Path of a dataset's raw files relative to the data root; None for generated datasets."""
    return ADAPTERS[settings.name].raw_path(settings)


def raw_folder(settings: Any, data_root: Path) -> Path | None:
    """Folder of a dataset's raw files: below its own data root, if it has one, or else below the study's."""
    path = raw_path(settings)
    return None if path is None else root_of(settings, data_root) / path


def root_of(settings: Any, data_root: Path) -> Path:
    """The data root of a dataset: its own, with `~` and variables expanded, or else the study's.

    Raises DatasetError for a variable that is not set.
    """
    own = getattr(settings, "data_root", None)
    if own is None:
        return Path(data_root)
    expanded = os.path.expandvars(own)
    if "$" in expanded:
        raise DatasetError(
            f"data_root: {own} holds a variable that is not set (it becomes {expanded}). Set it, or write the folder."
        )
    return Path(expanded).expanduser()
