"""The command `transfer-atlas`: one line for each thing it does. What is not asked for is not imported."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """A subcommand: what it is for, and the function that takes its arguments and returns an exit status.

    function: `module:name`. before: arguments put before the user's, where one function serves several commands.
    """

    purpose: str
    function: str
    before: tuple[str, ...] = ()


def _shared(name: str, purpose: str) -> Command:
    return Command(purpose, "transfer_atlas.sharing.__main__:main", (name,))


# In the order of the help. A new command is a line here.
COMMANDS: dict[str, Command] = {
    "check": Command("say what is wrong with a study's file", "transfer_atlas.study.check:main"),
    "status": Command(
        "say where a study stands: done, at work, waiting, failed; --watch, --json",
        "transfer_atlas.running.status.command:main",
    ),
    "recommend": Command(
        "what to start from, by what is known already: within seconds, before anything is downloaded",
        "transfer_atlas.running.recommend:main",
    ),
    "doctor": Command(
        "say which datasets of a study are there, and where the others come from",
        "transfer_atlas.planning.doctor:main",
    ),
    "predict": Command(
        "what a kept model says of a folder of images", "transfer_atlas.prediction.predict:main"
    ),
    "export": Command("a kept model as TorchScript or ONNX", "transfer_atlas.prediction.export:main"),
    "compare": Command(
        "lay two folders of tables side by side", "transfer_atlas.analysis.comparison.__main__:main"
    ),
    "published": Command(
        "tables and findings from the numbers that papers print",
        "transfer_atlas.analysis.published.__main__:main",
    ),
    "publish": _shared("publish", "record, commit, merge, push data, then push git"),
    "record": _shared("record", "put finished runs and tables under version control"),
    "pull": _shared("pull", "bring what is recorded and not here: runs, tables"),
    "merge": _shared("merge", "finish a git merge of branches that both recorded runs"),
    "verify": _shared("verify", "check results against their run.json and what is recorded"),
    "garbage": _shared("garbage", "list results that no study of any branch reaches, or remove them"),
    "manifest": _shared("manifest", "record the version of a raw dataset that is used in place"),
    "code": Command(
        "versions of code that results depend on: compare, or declare", "transfer_atlas.code_versions:main"
    ),
    "docs": Command("write the configuration's documents anew", "transfer_atlas.study.reference:main"),
    "catalogue": Command(
        "write the page of all official datasets anew", "transfer_atlas.datasets.catalogue:main"
    ),
    "columns": Command(
        "print what every column of every table is", "transfer_atlas.analysis.tables.reference:main"
    ),
}


def main(arguments: list[str] | None = None) -> int:
    """Carry out one subcommand; returns the exit status: 2 if there is none of that name."""
    given = sys.argv[1:] if arguments is None else arguments
    if not given or given[0] in ("-h", "--help"):
        print(_help())
        return 0
    if given[0] not in COMMANDS:
        print(f"transfer-atlas: no command {given[0]!r}; there are: {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    command = COMMANDS[given[0]]
    module, name = command.function.split(":")
    return getattr(importlib.import_module(module), name)([*command.before, *given[1:]])


def _help() -> str:
    width = max(map(len, COMMANDS)) + 2
    lines = [f"  {name:<{width}}{command.purpose}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "Usage: transfer-atlas COMMAND ...",
            "",
            *lines,
            "",
            "transfer-atlas COMMAND --help tells of one. Studies are run and planned by snakemake: see README.md.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
