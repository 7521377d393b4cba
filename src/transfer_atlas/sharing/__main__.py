"""Command line of sharing: record, merge, verify, garbage, manifest. What each is for: docs/sharing.md."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from transfer_atlas.datasets.manifest import check_manifest, write_manifest
from transfer_atlas.errors import AtlasError
from transfer_atlas.sharing import garbage, record, verify
from transfer_atlas.sharing.repository import Repository

DEFAULT_STUDY = Path("config.yaml")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, or 1 if anything was refused or failed."""
    chosen = _parser().parse_args(arguments)
    try:
        return chosen.command(chosen)
    except AtlasError as error:
        print(error, file=sys.stderr)
        return 1


def _record(chosen: argparse.Namespace) -> int:
    results = record.record(Repository.around(Path.cwd()), replace=chosen.replace)
    for result in results:
        size = result.records.size / 1e6
        print(
            f"{result.layer.name:<15}{len(result.records.runs):>6} runs{size:>12.1f} MB, {len(result.new)} of them new"
        )
    other = sum(len(result.other) for result in results)
    if other:
        print(f"{other} runs were computed here again; their recorded versions stay (--replace takes these)")
    problems = [problem for result in results for problem in result.problems]
    for problem in problems:
        print(f"not recorded: {problem}", file=sys.stderr)
    print("Next: git add dvc.lock recorded, git commit, dvc push.")
    return 1 if problems else 0


def _merge(chosen: argparse.Namespace) -> int:
    for result in record.merge(Repository.around(Path.cwd())):
        print(
            f"{result.layer.name:<15}{len(result.records.runs):>6} runs, {len(result.new)} computed on both sides"
        )
    print("dvc.lock and recorded/ are merged and added. Next: git commit, dvc push, dvc pull.")
    return 0


def _verify(chosen: argparse.Namespace) -> int:
    repository = Repository.around(Path.cwd())
    count, findings = verify.verify(repository, chosen.places)
    for finding in findings:
        for problem in finding.problems:
            print(f"refused: {problem}")
    print(f"{count} runs looked at, {count - len(findings)} whole, {len(findings)} refused")
    if not findings:
        return 0
    if chosen.refetch:
        fetched, problems = verify.fetch_again(repository, findings)
        print(f"{len(fetched)} fetched again")
        for problem in problems:
            print(problem, file=sys.stderr)
        return 1 if problems else 0
    if chosen.remove:
        verify.remove(repository, findings)
        print(f"{len(findings)} removed; snakemake computes them again, or pulls them (`pull: true`)")
        return 0
    print("Remove them with --remove, or fetch recorded ones again with --refetch.")
    return 1


def _garbage(chosen: argparse.Namespace) -> int:
    repository = Repository.around(Path.cwd())
    files = chosen.study or [DEFAULT_STUDY, *sorted(Path("studies").glob("*.yaml"))]
    found = garbage.unreached(repository, garbage.reached(repository, files))
    for entry in found:
        where = [
            "here" if entry.here else "not here",
            "pushed" if entry.pushed else "recorded, NOT PUSHED" if entry.recorded else "NOT RECORDED",
        ]
        print(f"{entry.size / 1e6:>10.1f} MB  {entry.run}  ({', '.join(where)})")
    total = sum(entry.size for entry in found if entry.here) / 1e6
    print(f"{len(found)} runs are reached by none of {len(files)} studies; those here take {total:.1f} MB")
    if not chosen.remove or not found:
        return 0
    kept = [] if chosen.even_unpushed else [entry for entry in found if not entry.pushed]
    removed = [entry for entry in found if entry not in kept]
    garbage.remove(repository, removed)
    print(f"{len(removed)} removed from the store and the record. `dvc gc --workspace` frees the cache.")
    if kept:
        print(
            f"{len(kept)} kept: no remote is known to have them. Record and push them, or give --even-unpushed.",
            file=sys.stderr,
        )
    return 1 if kept else 0


def _manifest(chosen: argparse.Namespace) -> int:
    act = check_manifest if chosen.check else write_manifest
    print(act(chosen.folder))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="transfer-atlas", description="Share results.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("record", help="put finished runs and tables under version control")
    command.add_argument(
        "--replace", action="store_true", help="take this clone's version of runs that are recorded already"
    )
    command.set_defaults(command=_record)

    command = commands.add_parser("merge", help="finish a git merge of branches that both recorded runs")
    command.set_defaults(command=_merge)

    command = commands.add_parser("verify", help="check results against their run.json and hashes")
    command.add_argument("places", nargs="*", type=Path, metavar="LAYER_OR_FOLDER")
    choice = command.add_mutually_exclusive_group()
    choice.add_argument("--remove", action="store_true", help="remove what is not whole")
    choice.add_argument("--refetch", action="store_true", help="fetch it again from the remote")
    command.set_defaults(command=_verify)

    command = commands.add_parser("garbage", help="list results that no study reaches")
    command.add_argument(
        "--study", type=Path, action="append", metavar="FILE", help="default: config.yaml and studies/*.yaml"
    )
    command.add_argument("--remove", action="store_true", help="remove them from store and record")
    command.add_argument(
        "--even-unpushed", action="store_true", help="also those that no remote is known to have"
    )
    command.set_defaults(command=_garbage)

    command = commands.add_parser(
        "manifest", help="record the version of a raw dataset that is used in place"
    )
    command.add_argument("folder", type=Path)
    command.add_argument("--check", action="store_true", help="compare the files with the manifest")
    command.set_defaults(command=_manifest)
    return parser


if __name__ == "__main__":
    sys.exit(main())
