"""Versions of the code that computes results: stated by people, watched over by fingerprints.

Keys use a stage's version number. A fingerprint of its modules' syntax trees tells when code was edited
without anyone having said whether results change.

A stage names its roots, such as `tasks/depth.py`; its other modules are those that the roots import, and so on,
found in the syntax trees. The walk ends at the roots of other stages, which have a version of their own, and at
modules that are listed as without effect on results.

    transfer-atlas code                                   # what is out of step
    transfer-atlas code declare STAGE --results-can-change
    transfer-atlas code declare STAGE --results-cannot-change
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from transfer_atlas.errors import AtlasError, CodeVersionError
from transfer_atlas.store.files import cache_folder, write_json
from transfer_atlas.store.keys import canonical

PACKAGE = Path(__file__).resolve().parent
RECORD = PACKAGE / "code_versions.yaml"
COMMAND = "transfer-atlas code declare"
SAFE_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same in C, where PyYAML was built with it


def read_record(path: Path = RECORD) -> dict[str, Any]:
    """The declared stages: name -> {version, roots, fingerprint}; and files without effect on results."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=SAFE_LOADER)
    except yaml.YAMLError as error:
        first = " ".join(str(error).split())[:120]
        raise CodeVersionError(
            f"{path} is no YAML ({first}): a merge may have left both sides in it. Take either side, then declare the "
            f"stages that either has edited: {COMMAND} STAGE ... --results-can-change, or --results-cannot-change."
        ) from None


def modules_of(stage: str, record: dict[str, Any] | None = None, package: Path = PACKAGE) -> list[str]:
    """The files of a stage, relative to the package: its roots and what they import, but for other stages' roots.

    Raises CodeVersionError if a root matches no file.
    """
    return stage_modules([stage], record or read_record(), package)[stage]


def stage_modules(stages: Iterable[str], record: dict[str, Any], package: Path) -> dict[str, list[str]]:
    """The files of several stages, each as `modules_of` has them."""
    roots = {name: set(_files(entry["roots"], package)) for name, entry in record["stages"].items()}
    without_effect = set(_files(record["without_effect"], package))
    found = {}
    for stage in stages:
        ends = without_effect.union(*(paths for name, paths in roots.items() if name != stage))
        reached, waiting = set(roots[stage]), list(roots[stage])
        while waiting:
            new = set(imported(waiting.pop(), package)) - reached - ends
            reached |= new
            waiting += new
        found[stage] = sorted(path.relative_to(package).as_posix() for path in reached)
    return found


def fingerprint(modules: Iterable[str], package: Path = PACKAGE) -> str:
    """Hash of what some files do: comments, docstrings and formatting do not count; YAML counts by its contents."""
    digest = hashlib.sha256()
    for path in sorted(package / module for module in modules):
        digest.update(f"{path.relative_to(package).as_posix()}\0{_facts(path, package).meaning}\0".encode())
    return digest.hexdigest()[:16]


def imported(path: Path, package: Path = PACKAGE) -> list[Path]:
    """Modules of the package that a file imports anywhere in it. A package's own `__init__` counts where named."""
    if path.suffix != ".py":
        return []
    found = []
    for name in _facts(path, package).imports:
        top, *parents, last = name.split(".") if "." in name else [name, ""]
        if top != package.name:
            continue
        place = package.joinpath(*parents)
        for candidate in (place / f"{last}.py", place / last / "__init__.py"):
            if candidate.is_file():
                found.append(candidate)
    return found


@dataclass(frozen=True)
class _Facts:
    """What a file says: a hash of its meaning, and the dotted names that it imports."""

    meaning: str
    imports: tuple[str, ...]


class _Memory:
    """What is known of a package's code, kept between processes in the user's cache: parsing all of it takes seconds,
    a look at its files does not. Facts of each file; and which stages were found to be as declared, with all files and
    the record as they are.
    """

    def __init__(self, package: Path) -> None:
        self.package = package
        name = hashlib.sha256(str(package).encode()).hexdigest()[:16]
        self.path = cache_folder() / "code" / f"{name}.json"
        content = _remembered(self.path)
        self.known = _mapping(content.get("files"))
        self.agreed = _mapping(content.get("agreed"))
        self.changed = False

    def facts(self, path: Path) -> _Facts:
        """Facts of a file, from memory if it is the file that they were taken of."""
        stamp = _stamp(path.stat())
        entry = self.known.get(str(path))
        if not (isinstance(entry, list) and len(entry) == 3 and entry[0] == stamp):
            text = path.read_text(encoding="utf-8")
            meaning = hashlib.sha256(_meaning(text, path.suffix).encode()).hexdigest()
            entry = [stamp, meaning, _imported_names(text) if path.suffix == ".py" else []]
            self.known[str(path)], self.changed = entry, True
        return _Facts(str(entry[1]), tuple(entry[2]))

    def state(self, record: dict[str, Any]) -> str:
        """A hash of the record and of what a look at the package's files tells."""
        digest = hashlib.sha256(canonical(record).encode())
        for folder, folders, files in os.walk(self.package):
            folders[:] = sorted(each for each in folders if each != "__pycache__")
            for name in sorted(files):
                if name.endswith(COUNTED):
                    path = Path(folder, name)
                    digest.update(f"{path}\0{_stamp(path.stat())}\0".encode())
        return digest.hexdigest()

    def agreeing(self, state: str) -> set[str]:
        """Stages that were found to be as declared when record and files were as they are."""
        stages = self.agreed.get(state)
        return set(map(str, stages)) if isinstance(stages, list) else set()

    def agree(self, state: str, stages: Iterable[str]) -> None:
        """Note that some stages are as declared."""
        self.agreed, self.changed = {state: sorted(self.agreeing(state).union(stages))}, True

    def keep(self) -> None:
        """Write down what is new, and forget packages that are gone; nothing where the cache cannot be written."""
        if not self.changed:
            return
        self.changed = False
        with contextlib.suppress(OSError):
            new = not self.path.exists()
            files = {path: entry for path, entry in self.known.items() if Path(path).exists()}
            content = {"package": str(self.package), "files": files, "agreed": self.agreed}
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_json(self.path, content)
            if new:
                (self.path.parent.parent / "code.json").unlink(
                    missing_ok=True
                )  # of earlier versions: of all packages
                for other in self.path.parent.glob("*.json"):
                    if not Path(str(_remembered(other).get("package"))).exists():
                        other.unlink(missing_ok=True)


_MEMORIES: dict[Path, _Memory] = {}
COUNTED = (".py", ".yaml", ".txt")  # files that can belong to a stage
FORM = 1  # of the facts: raised when what is kept of a file changes


def _memory(package: Path) -> _Memory:
    if package not in _MEMORIES:
        _MEMORIES[package] = _Memory(package)
    return _MEMORIES[package]


def _facts(path: Path, package: Path) -> _Facts:
    return _memory(package).facts(path)


def _stamp(status: os.stat_result) -> list[int]:
    """What changes when a file changes; the time of change of its inode cannot be set back by hand."""
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, FORM]


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _remembered(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return _mapping(content)


def versions(
    stages: Iterable[str], record: dict[str, Any] | None = None, package: Path = PACKAGE
) -> dict[str, int]:
    """Version numbers of stages, after checking that their fingerprints still match.

    Raises CodeVersionError naming every edited stage and both remedies.
    """
    record = record or read_record()
    declared, chosen = record["stages"], sorted(set(stages))
    missing = [stage for stage in chosen if stage not in declared]
    if missing:
        raise CodeVersionError(
            f"no code version is declared for {', '.join(missing)} in {RECORD.name}: add the stage with its roots, "
            f"then `{COMMAND} {missing[0]} --results-can-change`."
        )
    memory = _memory(package)
    state = memory.state(record)
    unsure = [stage for stage in chosen if stage not in memory.agreeing(state)]
    files = stage_modules(unsure, record, package) if unsure else {}
    edited = [s for s in unsure if fingerprint(files[s], package) != declared[s].get("fingerprint")]
    if unsure:
        memory.agree(state, set(unsure) - set(edited))
        memory.keep()
    if edited:
        listed = "\n".join(
            f"  {stage}: {_told_files(declared[stage]['roots'], files[stage])}" for stage in edited
        )
        raise CodeVersionError(
            f"code that can change results was edited since its version was declared:\n{listed}\n"
            "Say for each stage which it is:\n"
            f"  {COMMAND} {edited[0]} --results-can-change   version goes up: its runs get new keys, run again\n"
            f"  {COMMAND} {edited[0]} --results-cannot-change   version stays: existing results remain valid"
        )
    return {stage: declared[stage]["version"] for stage in chosen}


def _told_files(roots: list[str], files: list[str]) -> str:
    """The files of a stage for people: the roots, and how many more they import."""
    more = len(set(files) - set(roots))
    return ", ".join(roots) + (f" and {more} more that they import" if more else "")


def declare(stage: str, *, results_can_change: bool, path: Path = RECORD, package: Path = PACKAGE) -> str:
    """Record the present code of a stage, raising its version if results can change. Returns what was done."""
    record = read_record(path)
    if stage not in record["stages"]:
        raise CodeVersionError(f"unknown stage {stage!r}; known: {', '.join(record['stages'])}")
    entry = record["stages"][stage]
    entry["fingerprint"] = fingerprint(modules_of(stage, record, package), package)
    entry["version"] = entry.get("version", 0) + int(results_can_change)
    header = "".join(
        line for line in path.read_text(encoding="utf-8").splitlines(True) if line.startswith("#")
    )
    path.write_text(header + yaml.safe_dump(record, sort_keys=False, width=110), encoding="utf-8")
    return f"{stage}: version {entry['version']}, fingerprint {entry['fingerprint']}"


def _files(patterns: Iterable[str], package: Path) -> list[Path]:
    files: set[Path] = set()
    for pattern in patterns:
        found = {path for path in package.glob(pattern) if path.suffix in COUNTED}
        if not found:
            raise CodeVersionError(f"{RECORD.name} names {pattern!r}, which matches no file of the package.")
        files |= found
    return sorted(files)


def _imported_names(text: str) -> list[str]:
    """Dotted names that a module imports: modules, and names that may be modules."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return found


def _meaning(text: str, suffix: str) -> str:
    """What a file says to the interpreter, as text."""
    if suffix == ".yaml":
        return canonical(yaml.safe_load(text))
    if suffix == ".txt":
        return text
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            first = body[0].value
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                body[:1] = [] if len(body) > 1 else [ast.Pass()]
    return _told(tree)


def _told(node: Any) -> str:
    """A syntax tree as text that every version of Python from 3.11 on gives: what is empty is left out, since
    later versions have more fields, and 3.12.1 ends a format such as `:<{width}` with an empty text.
    """
    if isinstance(node, ast.JoinedStr):
        node.values = [value for value in node.values if not _is_empty_text(value)]
    if isinstance(node, ast.AST):
        fields = ((name, value) for name, value in ast.iter_fields(node) if value is not None and value != [])
        inner = ", ".join(f"{name}={_told(value)}" for name, value in fields if name != "kind")
        return f"{type(node).__name__}({inner})"
    if isinstance(node, list):
        return "[" + ", ".join(map(_told, node)) + "]"
    return repr(node)


def _is_empty_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value == ""


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="transfer-atlas code", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command")
    declaring = commands.add_parser("declare", help="say whether an edit can change results")
    declaring.add_argument("stages", nargs="+", metavar="STAGE")
    choice = declaring.add_mutually_exclusive_group(required=True)
    choice.add_argument("--results-can-change", action="store_true")
    choice.add_argument("--results-cannot-change", action="store_true")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "declare":
            for stage in chosen.stages:
                print(declare(stage, results_can_change=chosen.results_can_change))
        else:
            versions(read_record()["stages"])
            print("all stages are as declared")
    except AtlasError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
