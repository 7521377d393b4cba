"""Reading a study's file: what it holds, or one line that says where it is no YAML."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from transfer_atlas.errors import ConfigurationError


def read_values(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file. Raises ConfigurationError of one line: file, line, column, what to do."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"{path} does not exist; correct the path of the study.") from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}; expected a YAML file.") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{path} is no text in UTF-8 (byte {error.start} is {error.object[error.start]:#04x}); save it as UTF-8."
        ) from None
    except yaml.YAMLError as error:
        raise ConfigurationError(_place(path, error)) from None
    if not isinstance(values, dict):
        found = "nothing" if values is None else type(values).__name__
        raise ConfigurationError(
            f"{path} holds {found}; expected the keys of a study, such as `datasets: ...`"
        )
    return values


def read_files(files: Sequence[Path]) -> dict[str, Any]:
    """The mappings of some files, later ones over earlier ones, as Snakemake reads them. Raises as `read_values`."""
    values: dict[str, Any] = {}
    for path in files:
        _lay_over(values, read_values(path))
    return values


def _lay_over(values: dict[str, Any], others: dict[str, Any]) -> None:
    for name, value in others.items():
        if isinstance(value, dict) and isinstance(values.get(name), dict):
            _lay_over(values[name], value)
        else:
            values[name] = value


def _place(path: Path, error: yaml.YAMLError) -> str:
    """What is wrong with the YAML of a file, and where, in one line; lines and columns are counted from one."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return f"{path} is not YAML: {' '.join(str(error).split())}"
    what = getattr(error, "problem", None) or "cannot be parsed"
    context = getattr(error, "context", None)
    return (
        f"{path}, line {mark.line + 1}, column {mark.column + 1}: not YAML: {what}"
        f"{f' ({context})' if context else ''}; look at this line and the one above it."
    )
