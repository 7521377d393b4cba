"""One command at the end of the day: record, commit, merge with what others published, push data, then push git.

The order is what makes it safe: nobody ever gets a record from git whose files are not in the remote.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from transfer_atlas.sharing import cache
from transfer_atlas.sharing.layers import RECORDED, layers_of
from transfer_atlas.sharing.merge import conflicts, merge
from transfer_atlas.sharing.record import Recorded, record
from transfer_atlas.sharing.repository import Repository, SharingError, why

# What a day's work changes and everybody needs; code is committed by whoever edited it.
PATHS = (
    "dvc.lock",
    RECORDED,
    "config.yaml",
    "studies",
    "data/*.dvc",
    "data/*.manifest.json",
    "data/.gitignore",
)


def publish(
    repository: Repository, message: str, say: Callable[[str], None], report: Callable[[list[Recorded]], int]
) -> int:
    """Publish what was computed. Returns the exit status; raises SharingError where a person has to decide.

    report: says what was recorded, and returns how much was refused. What is refused stays out, and the rest goes on.
    """
    upstream = _ready(repository)
    results = record(repository)
    refused = report(results)
    paths = [path for path in PATHS if _known(repository, path)]
    _git(repository, "add", "--all", "--", *paths)
    if repository.git("diff", "--cached", "--quiet", "--", *paths) is None:
        _git(repository, "commit", "--quiet", "--message", message, "--", *paths)
        say(f"committed: {message}")
    remote = upstream.split("/", 1)[0]
    _git(repository, "fetch", "--quiet", remote)
    _merge(repository, upstream, say)
    done = repository.dvc("push")
    if done.returncode:
        raise SharingError(
            f"`dvc push` failed, so git was not pushed either: {why(done)}\n"
            "The commit is here; run `publish` again when the remote can be reached."
        )
    say(f"data: {done.stdout.strip().splitlines()[-1] if done.stdout.strip() else 'pushed'}")
    _check_pushed(repository, upstream, say)
    pushed = repository.git_done("push", "--quiet", remote, f"HEAD:{upstream.split('/', 1)[1]}")
    if pushed.returncode:
        raise SharingError(
            f"`git push` failed: {pushed.stderr.strip()}\nThe data are in the remote. If somebody else was faster, "
            "run `publish` again."
        )
    say(f"git: pushed to {upstream}")
    return 1 if refused else 0


def _check_pushed(repository: Repository, upstream: str, say: Callable[[str], None]) -> None:
    """Warn of runs that others recorded without pushing them. Raises SharingError for such runs of this clone's."""
    lost = lost_runs(repository)
    listed = set(
        (repository.git("ls-tree", "-r", "--name-only", upstream, "--", RECORDED) or "").splitlines()
    )
    mine = {run: problem for run, problem in lost.items() if record_of(repository, run) not in listed}
    for run, problem in list(mine.items())[:1]:
        raise SharingError(
            f"git was not pushed: {len(mine)} runs would be recorded for everybody whose files nobody has. {problem}\n"
            f"Bring its files back (compute it again, or find them); or `git rm {record_of(repository, run)}`, and "
            "publish again."
        )
    for problem in _first(lost):
        say(f"warning: {problem}")


def record_of(repository: Repository, run: Path) -> str:
    """The file of git that records the version of a run that is taken, relative to the repository."""
    (layer,) = [layer for layer in layers_of(repository) if run.is_relative_to(layer.folder)]
    name = (
        "" if run == layer.folder else run.relative_to(layer.folder).as_posix()
    )  # the study of `results` itself
    taken = layer.records(repository).taken(name)
    return f"{RECORDED}/{layer.name}/{taken.place if taken else ''}"


def lost_runs(repository: Repository) -> dict[Path, str]:
    """Recorded runs of which some file is neither in the cache nor in the remote, each with what is missing.

    Only asks the remote if something is not in the cache. Raises SharingError if it cannot be asked.
    """
    absent = {}
    for layer in layers_of(repository):
        for run, files in layer.records(repository).runs.items():
            names = cache.missing(repository, files)
            absent |= {(layer.folder / run / name).as_posix(): layer.folder / run for name in names}
    if not absent or not repository.has_remote():
        return {}
    lacking = [path for path in in_no_remote(repository) if path in absent]
    runs = {absent[path]: path for path in sorted(lacking, reverse=True)}
    return {
        run: f"{run} is recorded, and neither here nor in the remote ({path.removeprefix(f'{run}/')} is missing): "
        "whoever computed it has to `dvc push`."
        for run, path in sorted(runs.items())
    }


def not_pushed(repository: Repository) -> list[str]:
    """Recorded files that the remote lacks after a push, in sentences."""
    return _first(lost_runs(repository))


def _first(lost: Mapping[Path, str]) -> list[str]:
    told = list(lost.values())
    return told if len(told) <= 5 else [*told[:5], f"and {len(told) - 5} runs more"]


def in_no_remote(repository: Repository) -> list[str]:
    """Paths of recorded files that the remote lacks. Raises SharingError if it cannot be asked."""
    said = repository.dvc_well("data", "status", "--not-in-remote", "--granular", "--json")
    try:
        return [str(path) for path in json.loads(said).get("not_in_remote", [])]
    except (ValueError, AttributeError) as error:
        raise SharingError(f"`dvc data status` answered something else than JSON ({error}).") from None


def _ready(repository: Repository) -> str:
    """The branch that is published to, `<remote>/<branch>`. Raises SharingError if this clone cannot publish now."""
    if repository.git("rev-parse", "--verify", "--quiet", "MERGE_HEAD") is not None:
        raise SharingError(
            "A merge is under way. `transfer-atlas merge` settles recorded/ and dvc.lock; settle the "
            "rest, `git commit`, and publish again."
        )
    if not repository.has_remote():
        raise SharingError("No DVC remote is set: `dvc remote add --default NAME URL`.")
    upstream = repository.git("rev-parse", "--abbrev-ref", "--symbolic-full-name", "@{upstream}")
    if upstream is None:
        raise SharingError(
            "This branch follows no other, so there is nowhere to publish to. Once: `git push --set-upstream origin "
            "<branch>`, after `dvc push`."
        )
    staged = (repository.git("diff", "--cached", "--name-only") or "").split()
    others = [name for name in staged if not _published(name)]
    if others:
        raise SharingError(
            f"{others[0]} is staged, and is no part of what is published. Commit it first, or unstage it "
            "(`git restore --staged`)."
        )
    return upstream.strip()


def _merge(repository: Repository, upstream: str, say: Callable[[str], None]) -> None:
    """Merge what others published. Raises SharingError, with nothing changed, if a person has to decide."""
    behind = (repository.git("rev-list", "--count", f"HEAD..{upstream}") or "0").strip()
    if behind == "0":
        return
    done = repository.git_done("merge", "--no-edit", "--quiet", upstream)
    unsettled = [path for path in conflicts(repository) if not _ours(path)]
    if done.returncode and (unsettled or not conflicts(repository)):
        repository.git("merge", "--abort")
        raise SharingError(
            f"What others published cannot be merged by itself ({', '.join(map(str, unsettled)) or done.stderr.strip()}"
            "). Nothing was pushed. Merge by hand: `git pull --no-rebase`, `transfer-atlas merge` "
            "for recorded/ and dvc.lock, `git commit`; then publish again."
        )
    notes = [note for merged in merge(repository) for note in merged.notes]
    if done.returncode:
        _git(repository, "commit", "--quiet", "--no-edit")
    elif repository.git("diff", "--cached", "--quiet") is None:
        _git(repository, "commit", "--quiet", "--message", "dvc.lock follows the merged records")
    say(f"merged {behind} commits of others")
    for note in notes:
        say(note)


def _ours(path: Path) -> bool:
    return path == Path("dvc.lock") or path.parts[0] == RECORDED


def _published(name: str) -> bool:
    return any(Path(name).match(pattern) or Path(name).parts[0] == pattern for pattern in PATHS)


def _known(repository: Repository, pattern: str) -> bool:
    """Whether a path of those that are published is here or was in the last commit."""
    return bool(list(repository.folder.glob(pattern))) or bool(repository.git("ls-files", "--", pattern))


def _git(repository: Repository, *arguments: str) -> None:
    done = repository.git_done(*arguments)
    if done.returncode:
        said = done.stderr.strip() or done.stdout.strip()
        raise SharingError(f"`git {' '.join(arguments[:3])}` failed: {said}")
