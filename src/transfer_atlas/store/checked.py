"""Names, hashes and run.json files of others, checked before anything is done with them.

What lies in `recorded/`, in the store, in `.dvc` files and in `dvc.lock` may have been written by anybody. Every name
that becomes a path and every hash that becomes the name of a cached file passes through here; what does not is refused
by name, and the rest goes on.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import stat
from collections.abc import Collection
from pathlib import Path
from typing import Any

from transfer_atlas.store.store import RUN_FILE, StoreError, problems_of, read_run

RUN_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]*/[0-9a-f]{16}")  # <readable name>/<key>
MD5 = re.compile(r"[0-9a-f]{32}")
MD5_OF_FOLDER = re.compile(r"[0-9a-f]{32}\.dir")
SHA256 = re.compile(r"[0-9a-f]{64}")
PART = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.+=,@-]*")  # of the path of a file
LONGEST = 240  # characters of a path within a layer
LARGEST = 1 << 60  # bytes of a file
LARGEST_NUMBER = 1e300  # of what tables and plans calculate with; JSON has integers without bound
DEEPEST = 60  # levels of JSON; those of a run.json are fewer than 10
LARGEST_RECORD = 64 * 1024 * 1024  # bytes of a run.json; the largest known ones have 2 MB


class Unacceptable(StoreError):
    """Something of others that is not what it should be; the text says what was found and what was expected."""


def run_name(text: object) -> str:
    """The name of a run in its layer, `<readable name>/<key>`. Raises Unacceptable for anything else."""
    if not isinstance(text, str) or len(text) > LONGEST or RUN_NAME.fullmatch(text) is None:
        raise Unacceptable(
            f"{_shown(text)} is no name of a run; expected <name>/<key of 16 hexadecimal digits>."
        )
    return text


def file_name(text: object) -> str:
    """A path of a file within a folder: relative, of plain characters, leading nowhere else."""
    parts = text.split("/") if isinstance(text, str) and len(text) <= LONGEST else [""]
    if not all(PART.fullmatch(part) and part not in (".", "..", ".git", ".dvc") for part in parts):
        raise Unacceptable(
            f"{_shown(text)} is no name of a file; expected a relative path of letters, digits and ._+=,@-"
        )
    return str(text)


def md5(text: object, *, folder: bool = False) -> str:
    """An md5 as DVC writes it: 32 hexadecimal digits, with `.dir` behind them for a folder."""
    if not isinstance(text, str) or (MD5_OF_FOLDER if folder else MD5).fullmatch(text) is None:
        raise Unacceptable(
            f"{_shown(text)} is no md5; expected 32 hexadecimal digits{' and .dir' if folder else ''}."
        )
    return text


def size(value: object) -> int:
    """A number of bytes."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST:
        raise Unacceptable(f"{_shown(value)} is no size; expected a number of bytes.")
    return value


def plain_json(text: str | bytes) -> Any:
    """Parsed JSON without NaN, infinities and bottomless nesting. Raises Unacceptable for anything else."""
    try:
        value = json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise Unacceptable(f"is no JSON ({error}).") from None
    if _deeper(value, DEEPEST):
        raise Unacceptable(f"is nested more than {DEEPEST} deep.")
    return value


def read_checked(folder: Path) -> dict[str, Any]:
    """The run.json of a run, every part of which has the form that other code relies on.

    Raises StoreError that names the file if it is missing, damaged, too large, or has another form.
    """
    path = Path(folder) / RUN_FILE
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a pipe would wait for ever
            raise Unacceptable("is no file.")
        if status.st_size > LARGEST_RECORD:
            raise Unacceptable(f"has more than {LARGEST_RECORD} bytes.")
        return checked_record(plain_json(path.read_bytes()), Path(folder).name)
    except Unacceptable as error:
        raise _refused(path, error) from None
    except OSError as error:
        raise StoreError(
            f"{path} is missing ({error.strerror}); run snakemake again to compute it, or pull it."
        ) from None


def read_formed(folder: Path) -> dict[str, Any]:
    """As `read_run`, refusing what has not the form that tables rely on. Raises StoreError that names the file."""
    record = read_run(folder)
    try:
        return checked_record(record, Path(folder).name)
    except Unacceptable as error:
        raise _refused(Path(folder) / RUN_FILE, error) from None


def _refused(path: Path, error: Unacceptable) -> StoreError:
    return StoreError(f"{path}: {error} Remove {path.parent} and run snakemake again, or pull it.")


def checked_record(record: Any, key: str) -> dict[str, Any]:
    """A run.json's content if it has the form of one for this key. Raises Unacceptable that says what has not."""
    if not isinstance(record, dict):
        raise Unacceptable("is no run.json; expected a mapping.")
    if record.get("key") != key:
        raise Unacceptable(f"names key {_shown(record.get('key'))}, but stands in the folder of {key!r}.")
    for name in ("settings", "versions", "parents", "code_versions", "files"):
        if not isinstance(record.get(name), dict):
            raise Unacceptable(f"does not say how the result was made: {name} is no mapping.")
    for name in ("kind", "name", "status", "reason", "device", "created", "git_commit"):
        if not isinstance(record.get(name) or "", str):
            raise Unacceptable(f"{name} is {_shown(record[name])}; expected text.")
    for name in ("metrics", "identity", "packages"):
        if not isinstance(record.get(name) or {}, dict):
            raise Unacceptable(f"{name} is {_shown(record[name])}; expected a mapping.")
    metrics = record.get("metrics") or {}
    for name, value in (("value", metrics.get("value")), ("seconds", record.get("seconds"))):
        number = (
            isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST_NUMBER
        )
        if value is not None and not number:
            raise Unacceptable(f"{name} is {_shown(value)}; expected a number.")
    for role, parent in record["parents"].items():
        if not isinstance(parent, str) or re.fullmatch(r"[0-9a-f]{16}", parent) is None:
            raise Unacceptable(f"parent {role!r} is {_shown(parent)}; expected a key.")
    for name, facts in record["files"].items():
        file_name(name)
        if not isinstance(facts, dict) or SHA256.fullmatch(str(facts.get("sha256"))) is None:
            raise Unacceptable(f"file {name} has {_shown(facts)}; expected its bytes and sha256.")
        size(facts.get("bytes"))
    return record


def checked_problems(folder: Path, only: Collection[str] | None = None) -> list[str]:
    """As `problems_of`, for results that anybody may have written: nothing in them makes it fail."""
    try:
        read_checked(folder)
        return problems_of(folder, only)
    except StoreError as error:
        return [str(error)]
    except (
        OSError,
        ValueError,
    ) as error:  # a link in a circle, a file without leave to read, a lone surrogate
        return [f"{folder} cannot be read ({error})."]


def numbers_of(record: dict[str, Any]) -> str:
    """A short digest of what a run came to: its status, metrics and files, without times.

    Two computations of one key agree if theirs are equal.
    """
    facts = {name: facts["sha256"] for name, facts in record["files"].items()}
    told = {"status": record.get("status"), "metrics": _without_times(record.get("metrics")), "files": facts}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def inside(root: Path, path: Path) -> bool:
    """Whether a path leads into a folder also when links are followed, and is not that folder itself."""
    try:
        root, path = Path(root).resolve(), Path(path).resolve()
    except (OSError, RuntimeError):  # links in a circle
        return False
    return path != root and path.is_relative_to(root)


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_times(v) for k, v in value.items() if k not in ("seconds", "images_per_second")}
    return [_without_times(entry) for entry in value] if isinstance(value, list) else value


def _deeper(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels < 0 or any(_deeper(entry, levels - 1) for entry in inner)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):  # 1e999, which could be read and never be written again
        raise ValueError(f"{text} is too large")
    return value


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
