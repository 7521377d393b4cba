"""Command line of sharing. What each command is for: docs/sharing.md."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from transfer_atlas.datasets.manifest import check_manifest, write_manifest
from transfer_atlas.errors import AtlasError
from transfer_atlas.sharing import garbage, merge, publish, record, verify
from transfer_atlas.sharing.layers import run_layers
from transfer_atlas.sharing.pull import Recordings, pull_runs, pull_tables
from transfer_atlas.sharing.repository import Repository

DEFAULT_STUDY = Path("config.yaml")


def main(arguments: list[str] | None = None, prog: str = "transfer-atlas") -> int:
    """Run one command; returns the exit status: 0, or 1 if anything was refused or failed."""
    chosen = parser(prog).parse_args(arguments)
    try:
        return chosen.command(chosen)
    except AtlasError as error:
        print(error, file=sys.stderr)
        return 1


def _record(chosen: argparse.Namespace) -> int:
    repository = Repository.around(Path.cwd())
    results = record.record(repository, replace_others=chosen.replace, bring_back=chosen.bring_back)
    refused = _report(results)
    _say_lost(repository)
    print(
        "Next: git add dvc.lock recorded, git commit, dvc push, git push; or `publish`, which does all of it."
    )
    return refused


def _report(results: list[record.Recorded]) -> int:
    """Say what was recorded. Returns the exit status."""
    for result in results:
        what = "runs" if result.layer.keyed else "studies"
        print(
            f"{result.layer.name:<15}{len(result.records.runs):>6} {what}{result.records.size / 1e6:>12.1f} MB, "
            f"{len(result.new)} of them new"
        )
    again = sum(len(result.again) for result in results)
    if again:
        print(f"{again} runs were computed here again; their recorded versions stay (--replace takes these)")
    for result in results:
        for note in result.notes:
            print(note)
    for sentence in record.stores_outside(Repository.around(Path.cwd())):
        print(sentence, file=sys.stderr)
    problems = [problem for result in results for problem in result.problems]
    for problem in problems:
        print(f"not recorded: {problem}", file=sys.stderr)
    return 1 if problems else 0


def _say_lost(repository: Repository) -> None:
    """Warn of recorded runs that are nowhere; without network, say that the remote could not be asked."""
    try:
        for problem in publish.not_pushed(repository):
            print(f"warning: {problem}", file=sys.stderr)
    except AtlasError as error:
        print(f"the remote could not be asked for what is not here: {error}", file=sys.stderr)


def _publish(chosen: argparse.Namespace) -> int:
    repository = Repository.around(Path.cwd())
    return publish.publish(repository, chosen.message, lambda text: print(text, flush=True), _report)


def _pull(chosen: argparse.Namespace) -> int:
    repository = Repository.around(Path.cwd())
    recordings = Recordings(repository)
    layers = run_layers(recordings.layers())
    tables = [layer.name for layer in recordings.layers() if not layer.keyed]
    named = [path for path in chosen.places if str(path) not in tables]
    places = [verify.place_of(repository, path, layers) for path in named]
    wanted = [
        layer.folder / run
        for layer in layers
        for run in recordings.records(layer).runs
        if any((layer.folder / run).is_relative_to(place) for place in places) or not chosen.places
    ]
    lacking = [
        run
        for run in wanted
        if any(not (repository.folder / run / name).exists() for name in recordings.files_of(run) or ())
    ]
    for layer in recordings.layers():
        if not chosen.places and not recordings.records(layer).runs:
            (repository.folder / layer.folder).mkdir(parents=True, exist_ok=True)  # empty, as it is recorded
    pulled = pull_runs(repository, lacking)
    notes, problems = pulled.notes, pulled.problems
    print(f"pulled {len(pulled.runs)} of {len(lacking)} runs that were not here; {len(wanted)} are recorded")
    if not pulled.failed and (not chosen.places or len(named) < len(chosen.places)):
        tables_pulled = pull_tables(repository)
        notes, problems = notes + tables_pulled.notes, problems + tables_pulled.problems
        print(f"tables and figures of {len(tables_pulled.runs)} studies are as recorded")
    for note in notes:
        print(note)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def _merge(_: argparse.Namespace) -> int:
    for result in merge.merge(Repository.around(Path.cwd())):
        print(
            f"{result.layer.name:<15}{len(result.records.runs):>6} {'runs' if result.layer.keyed else 'studies'}"
        )
        for note in result.notes:
            print(note)
    print(
        "dvc.lock and recorded/ are merged and added. Next: git commit; then `publish`, or dvc push and git push."
    )
    return 0


def _verify(chosen: argparse.Namespace) -> int:
    repository = Repository.around(Path.cwd())
    found = verify.verify(repository, chosen.places)
    for finding in found.findings:
        for problem in finding.problems:
            print(f"{'refused' if finding.refused else 'differs'}: {problem}")
    for note in found.notes:
        print(note)
    refused = sum(finding.refused for finding in found.findings)
    differ = len(found.findings) - refused
    whole = found.count - refused
    print(
        f"{found.count} runs looked at, {whole} whole, {refused} refused"
        + (f", {differ} differ" if differ else "")
    )
    if not found.findings:
        return 0
    if chosen.refetch:
        fetched, problems = verify.fetch_again(repository, found.findings)
        print(f"{len(fetched)} fetched again")
        for problem in problems:
            print(problem, file=sys.stderr)
        return 1 if problems else 0
    if chosen.remove:
        damaged = [finding for finding in found.findings if finding.refused]
        verify.remove(repository, damaged)
        print(f"{len(damaged)} removed; snakemake computes them again, or pulls them (`pull: true`)")
        return 1 if differ else 0
    print(
        "--refetch brings the recorded version, --remove removes what is refused; `record --replace` takes this one."
    )
    return 1


def _garbage(chosen: argparse.Namespace) -> int:
    from transfer_atlas.sharing.reach import reach  # planning, which no other command pays for

    repository = Repository.around(Path.cwd())
    files = chosen.study or [DEFAULT_STUDY, *sorted(Path("studies").glob("*.yaml"))]
    needed = reach(repository, files, branches=not chosen.this_branch_only)
    for note in needed.notes:
        print(note)
    found = garbage.unreached(repository, needed)
    for entry in found:
        where = [
            "here" if entry.here else "not here",
            "pushed"
            if entry.pushed
            else "never shared"
            if not entry.shared
            else "recorded, NOT PUSHED"
            if entry.recorded
            else "NOT RECORDED",
        ]
        print(f"{entry.size / 1e6:>10.1f} MB  {entry.run}  ({', '.join(where)})")
    total = sum(entry.size for entry in found if entry.here) / 1e6
    print(f"{len(found)} runs are reached by none of {len(files)} studies; those here take {total:.1f} MB")
    if not chosen.remove or not found:
        return 0
    kept = [] if chosen.even_unpushed else [entry for entry in found if not entry.safe]
    removed = [entry for entry in found if entry not in kept]
    if kept:
        print(
            f"{len(kept)} are kept: no remote is known to have them. Record and push them, or give --even-unpushed.",
            file=sys.stderr,
        )
    if removed and not _agreed(chosen.yes, f"Remove {len(removed)} runs from the store and the record?"):
        print("Nothing was removed. Answer yes, or give --yes.", file=sys.stderr)
        return 1
    for problem in garbage.remove(repository, removed):
        print(problem, file=sys.stderr)
    print(
        f"{len(removed)} removed from the store and the record. How to free DVC's cache is in docs/sharing.md."
    )
    return 1 if kept else 0


def _agreed(already: bool, question: str) -> bool:
    """Whether the user agrees; without a terminal nobody does."""
    if already:
        return True
    if not sys.stdin.isatty():
        return False
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def _manifest(chosen: argparse.Namespace) -> int:
    act = check_manifest if chosen.check else write_manifest
    print(act(chosen.folder))
    return 0


def parser(prog: str) -> argparse.ArgumentParser:
    """All commands with their options."""
    found = argparse.ArgumentParser(prog=prog, description="Share results.")
    commands = found.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("publish", help="record, commit, merge, push data, then push git")
    command.add_argument("--message", "-m", default="Results", help="of the commit")
    command.set_defaults(command=_publish)

    command = commands.add_parser("record", help="put finished runs and tables under version control")
    command.add_argument(
        "--replace", action="store_true", help="take this clone's version of runs that are recorded already"
    )
    command.add_argument(
        "--bring-back", action="store_true", help="record runs that are here and were removed from the record"
    )
    command.set_defaults(command=_record)

    command = commands.add_parser("pull", help="bring what is recorded and not here: runs, tables")
    command.add_argument("places", nargs="*", type=Path, metavar="LAYER_OR_FOLDER")
    command.set_defaults(command=_pull)

    command = commands.add_parser("merge", help="finish a git merge of branches that both recorded runs")
    command.set_defaults(command=_merge)

    command = commands.add_parser("verify", help="check results against their run.json and what is recorded")
    command.add_argument("places", nargs="*", type=Path, metavar="LAYER_OR_FOLDER")
    choice = command.add_mutually_exclusive_group()
    choice.add_argument("--remove", action="store_true", help="remove what is refused")
    choice.add_argument("--refetch", action="store_true", help="fetch the recorded version again")
    command.set_defaults(command=_verify)

    command = commands.add_parser("garbage", help="list results that no study of any branch reaches")
    command.add_argument(
        "--study", type=Path, action="append", metavar="FILE", help="default: config.yaml and studies/*.yaml"
    )
    command.add_argument(
        "--this-branch-only", action="store_true", help="do not ask what other branches need"
    )
    command.add_argument(
        "--remove", action="store_true", help="remove them from store and record, after asking"
    )
    command.add_argument("--yes", action="store_true", help="do not ask")
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
    return found


if __name__ == "__main__":
    sys.exit(main())
