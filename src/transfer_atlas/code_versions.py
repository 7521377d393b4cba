"""Versions of the code that computes results: stated by people, watched over by fingerprints.

Keys use a stage's version number. A fingerprint of its modules' syntax trees tells when code was edited
without anyone having said whether results change.

    python -m transfer_atlas.code_versions                                   # what is out of step
    python -m transfer_atlas.code_versions declare STAGE --results-can-change
    python -m transfer_atlas.code_versions declare STAGE --results-cannot-change
"""

from __future__ import annotations

import argparse
import ast
import functools
import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from transfer_atlas.errors import AtlasError, CodeVersionError
from transfer_atlas.store.keys import canonical

PACKAGE = Path(__file__).resolve().parent
RECORD = PACKAGE / "code_versions.yaml"
COMMAND = "python -m transfer_atlas.code_versions declare"


def read_record(path: Path = RECORD) -> dict[str, Any]:
    """The declared stages: name -> {version, modules, fingerprint}."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def fingerprint(modules: Iterable[str], package: Path = PACKAGE) -> str:
    """Hash of what the modules do: comments, docstrings and formatting do not count.

    `modules` are paths or glob patterns relative to the package; YAML files and lists count by their contents.
    Raises CodeVersionError if a pattern matches nothing.
    """
    digest = hashlib.sha256()
    for path in _files(modules, package):
        meaning = _meaning(path.read_text(encoding="utf-8"), path.suffix)
        digest.update(f"{path.relative_to(package).as_posix()}\0{meaning}\0".encode())
    return digest.hexdigest()[:16]


def versions(
    stages: Iterable[str], record: dict[str, Any] | None = None, package: Path = PACKAGE
) -> dict[str, int]:
    """Version numbers of stages, after checking that their fingerprints still match.

    Raises CodeVersionError naming every edited stage and both remedies.
    """
    declared = (record or read_record())["stages"]
    chosen = sorted(set(stages))
    missing = [stage for stage in chosen if stage not in declared]
    if missing:
        raise CodeVersionError(
            f"no code version is declared for {', '.join(missing)} in {RECORD.name}; add the stage."
        )
    edited = [s for s in chosen if fingerprint(declared[s]["modules"], package) != declared[s]["fingerprint"]]
    if edited:
        listed = "\n".join(f"  {stage}: {', '.join(declared[stage]['modules'])}" for stage in edited)
        raise CodeVersionError(
            f"code that can change results was edited since its version was declared:\n{listed}\n"
            "Say for each stage which it is:\n"
            f"  {COMMAND} {edited[0]} --results-can-change   version goes up: its runs get new keys, run again\n"
            f"  {COMMAND} {edited[0]} --results-cannot-change   version stays: existing results remain valid"
        )
    return {stage: declared[stage]["version"] for stage in chosen}


def declare(stage: str, *, results_can_change: bool, path: Path = RECORD, package: Path = PACKAGE) -> str:
    """Record the present code of a stage, raising its version if results can change. Returns what was done."""
    record = read_record(path)
    if stage not in record["stages"]:
        raise CodeVersionError(f"unknown stage {stage!r}; known: {', '.join(record['stages'])}")
    entry = record["stages"][stage]
    entry["fingerprint"] = fingerprint(entry["modules"], package)
    entry["version"] += int(results_can_change)
    header = "".join(
        line for line in path.read_text(encoding="utf-8").splitlines(True) if line.startswith("#")
    )
    path.write_text(header + yaml.safe_dump(record, sort_keys=False, width=110), encoding="utf-8")
    return f"{stage}: version {entry['version']}, fingerprint {entry['fingerprint']}"


def _files(modules: Iterable[str], package: Path) -> list[Path]:
    files: set[Path] = set()
    for pattern in modules:
        found = {path for path in package.glob(pattern) if path.suffix in (".py", ".yaml", ".txt")}
        if not found:
            raise CodeVersionError(f"{RECORD.name} names {pattern!r}, which matches no file of the package.")
        files |= found
    return sorted(files)


@functools.cache  # a plan asks for the same files several times
def _meaning(text: str, suffix: str) -> str:
    """What a file says to the interpreter, as text."""
    if suffix == ".yaml":
        return canonical(yaml.safe_load(text))
    if suffix == ".txt":  # a list of names, one a line
        return canonical(text.split())
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            first = body[0].value
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                body[:1] = [] if len(body) > 1 else [ast.Pass()]
    return ast.dump(tree)


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m transfer_atlas.code_versions", description=__doc__.split("\n")[0]
    )
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
