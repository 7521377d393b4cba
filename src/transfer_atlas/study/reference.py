"""The configuration as documentation: JSON schema for editors, reference for people, both generated.

transfer-atlas docs           # rewrites docs/config.schema.json, docs/configuration.md
transfer-atlas docs --check   # fails with a diff if they are stale
"""

from __future__ import annotations

import argparse
import difflib
import json
import sys
import types
import typing
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from transfer_atlas.study.places import is_model, models_of
from transfer_atlas.study.study import Study

DOCS = Path(__file__).resolve().parents[3] / "docs"
HEADER = """# Configuration reference

Generated from the models in `src/transfer_atlas/study/` by `transfer-atlas docs`; a test fails if it is stale. A study
is one YAML file; unknown keys are refused, and the nearest known key is named.
The same in machine-readable form, for completion in editors: [config.schema.json](config.schema.json).
"""


def schema_text() -> str:
    """The JSON schema of a study."""
    return json.dumps(Study.model_json_schema(), indent=1, sort_keys=True) + "\n"


def reference_text() -> str:
    """The reference: one section a model, in the order in which a reader meets them."""
    sections: list[str] = []
    seen: set[type[BaseModel]] = {Study}
    waiting: list[type[BaseModel]] = [Study]
    while waiting:
        model = waiting.pop(0)
        sections.append(_section(model))
        for field in model.model_fields.values():
            for inner in models_of(field.annotation):
                if inner not in seen:
                    seen.add(inner)
                    waiting.append(inner)
    return HEADER + "\n" + "\n".join(sections)


def main(arguments: list[str] | None = None) -> int:
    """Write the documents, or with --check print how they differ. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="transfer-atlas docs",
        description="Write docs/configuration.md and docs/config.schema.json anew.",
    )
    parser.add_argument("--check", action="store_true", help="only say, by a diff, whether they are stale")
    chosen = parser.parse_args(arguments)
    stale = False
    for path, text in (
        (DOCS / "config.schema.json", schema_text()),
        (DOCS / "configuration.md", reference_text()),
    ):
        present = path.read_text(encoding="utf-8") if path.exists() else ""
        if chosen.check:
            lines = difflib.unified_diff(
                present.splitlines(), text.splitlines(), path.name, "generated", lineterm=""
            )
            for line in lines:
                stale = True
                print(line)
        else:
            path.write_text(text, encoding="utf-8")
    return int(stale)


def _section(model: type[BaseModel]) -> str:
    lines = [f"## {_title(model)}", "", (model.__doc__ or "").strip().replace("\n    ", "\n"), ""]
    lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        meaning = (field.description or "").replace("|", "\\|")
        lines.append(f"| `{name}` | {_type_name(field.annotation)} | {_default(field)} | {meaning} |")
    return "\n".join(lines) + "\n"


def _title(model: type[BaseModel]) -> str:
    if model.__name__ == "Settings":
        return f"Adapter `{typing.get_args(model.model_fields['name'].annotation)[0]}`"
    return model.__name__


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, BaseModel):
        return "its defaults"
    if isinstance(value, dict) and any(isinstance(inner, BaseModel) for inner in value.values()):
        return ", ".join(f"`{name}`" for name in value)
    return "" if value is None else f"`{json.dumps(value, default=str)}`"


def _type_name(annotation: Any) -> str:
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type_name(inner[0])
    if origin is typing.Literal:
        return " or ".join(f"`{value}`" for value in inner)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type_name(each) for each in inner if each is not type(None))
    if origin is dict:
        return f"mapping of {_type_name(inner[0])} to {_type_name(inner[1])}"
    if origin in (list, tuple):
        return "list of " + (_type_name(inner[0]) if inner else "anything")
    if is_model(annotation):
        title = _title(annotation)
        return f"[{title}](#{title.lower().replace('`', '').replace(' ', '-')})"
    return {str: "text", int: "integer", float: "number", bool: "true or false", Path: "path"}.get(
        annotation, getattr(annotation, "__name__", str(annotation))
    )


if __name__ == "__main__":
    sys.exit(main())
