"""Messages about a configuration that is not valid: where, what was found, and the nearest that is known."""

from __future__ import annotations

import difflib
import re
from typing import Any

from pydantic import BaseModel, ValidationError

from transfer_atlas.study.places import keys_at, tags_at

NAME_PATTERN = r"^[a-z][a-z0-9_]*$"  # of studies, datasets, domains, regimes

PLAIN_WORDS = {  # for what pydantic says in words of Python
    "list_type": "a list, such as [a, b]",
    "tuple_type": "a list, such as [96, 96]",
    "dict_type": "a mapping, such as {key: value}",
    "model_type": "a section of keys",
    "model_attributes_type": "a section of keys",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text; put it in quotation marks",
    "finite_number": "a finite number",
}


def nearest(word: str, known: list[str]) -> str:
    """What may have been meant, in brackets: the nearest known words, or all."""
    close = difflib.get_close_matches(word, known, n=3, cutoff=0.4)
    return f" (did you mean {', '.join(close)}?)" if close else f" (known: {', '.join(known)})"


def explain(error: ValidationError, values: Any, what: str, model: type[BaseModel]) -> str:
    """All problems of `what`, one per line. model: what the values should have been."""
    lines = []
    for problem in error.errors():
        path = _shown_path(problem["loc"], values) or "all together"
        found = problem["input"]
        if problem["type"] == "extra_forbidden":
            known = _known_keys(model, problem["loc"])
            lines.append(f"  {path}: unknown key{nearest(str(problem['loc'][-1]), known) if known else ''}")
        elif problem["type"] == "missing":
            lines.append(f"  {path}: missing; add this key")
        elif problem["type"] in ("union_tag_invalid", "union_tag_not_found"):
            context = problem["ctx"]
            expected = [tag.strip("' ") for tag in context.get("expected_tags", "").split(",")]
            tag = context.get("tag")
            key = context.get("discriminator", "").strip("'")
            detail = (
                f"unknown {key} {tag!r}{nearest(str(tag), expected)}"
                if tag
                else _missing_tag(key, expected, model, problem["loc"])
            )
            lines.append(f"  {path}: {detail}")
        elif problem["type"] == "literal_error":
            expected = [
                word.strip("' ") for word in problem["ctx"]["expected"].replace(" or ", ", ").split(",")
            ]
            lines.append(f"  {path}: found {found!r}{nearest(str(found), expected)}")
        elif problem["type"] == "string_pattern_mismatch" and problem["ctx"]["pattern"] == NAME_PATTERN:
            meant = re.sub(
                r"[^a-z0-9_]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(found)).lower()
            ).strip("_")
            advice = f"; write {meant}" if re.fullmatch(NAME_PATTERN, meant) else ""
            lines.append(
                f"  {path}: a name has lower-case letters, digits and _, and begins with a letter "
                f"(found {found!r}){advice}"
            )
        elif found is None:
            lines.append(f"  {path}: nothing stands there; fill it in, or remove the key")
        elif problem["type"] in PLAIN_WORDS:
            lines.append(f"  {path}: expected {PLAIN_WORDS[problem['type']]} (found {found!r})")
        else:
            shown = repr(found) if len(repr(found)) < 80 else repr(found)[:77] + "..."
            lines.append(f"  {path}: {problem['msg'].removeprefix('Value error, ')} (found {shown})")
    return f"{what} has {len(lines)} problem{'s' if len(lines) > 1 else ''}:\n" + "\n".join(lines)


def _shown_path(location: tuple[int | str, ...], values: Any) -> str:
    """The path as written in the YAML: pydantic adds the tags of unions and `[key]`, which the user never wrote."""
    parts: list[str] = []
    node = values
    for index, step in enumerate(location):
        last = index == len(location) - 1
        if step == "[key]":
            continue
        if isinstance(node, dict) and step not in node and not last:
            continue
        parts.append(f"[{step}]" if isinstance(step, int) else f".{step}" if parts else str(step))
        node = (
            node[step]
            if isinstance(node, dict) and step in node
            else (
                node[step] if isinstance(node, list) and isinstance(step, int) and step < len(node) else node
            )
        )
    return "".join(parts)


def _known_keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Keys that are allowed beside the unknown one: found by walking the models along the location."""
    return keys_at(model, location[:-1])


def _missing_tag(
    key: str, expected: list[str], model: type[BaseModel], location: tuple[int | str, ...]
) -> str:
    """What to say where the key that tells which section is meant is missing, with all it may be."""
    known = expected if expected != [""] else tags_at(model, location, key)
    return f"the key {key} is missing" + (f" (known: {', '.join(known)})" if known else "")
