"""What studies need: the runs of every study of this working tree and of every other branch.

A key holds the versions of the data and of the code. Where these are not known (data that are not here, a branch with
other code), the run's readable name stands for all its keys: such runs are undecided, and never garbage.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from transfer_atlas.datasets.registry import raw_folder
from transfer_atlas.datasets.versions import ABSENT
from transfer_atlas.errors import AtlasError
from transfer_atlas.planning.content_versions import content_versions, version_of
from transfer_atlas.planning.plan import Plan, make_plan, used_datasets
from transfer_atlas.planning.run import Run
from transfer_atlas.sharing.repository import Repository, SharingError
from transfer_atlas.study.parse import load_study, parse_study
from transfer_atlas.study.settings import FileOrigin, PackageOrigin
from transfer_atlas.study.study import Study

CODE = "src/transfer_atlas/code_versions.yaml"


@dataclass
class Reach:
    """What studies need, relative to the repository.

    runs: folders of runs. undecided: folders of readable names, any of whose runs may be needed. notes: why.
    """

    runs: set[Path] = field(default_factory=set)
    undecided: set[Path] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def has(self, run: Path) -> bool:
        """Whether a run may be needed."""
        return run in self.runs or run.parent in self.undecided

    def add(self, repository: Repository, plan: Plan, *, exact: bool = True) -> int:
        """Add the runs of a plan; exact: their keys are known. Returns how many are undecided."""
        count = 0
        for run in plan:
            folder = repository.relative(run.folder(plan.study.store))
            if folder is None:
                continue
            if exact and not _unknown(run):
                self.runs.add(folder)
            else:
                self.undecided.add(folder.parent)
                count += 1
        return count


def reach(repository: Repository, study_files: Iterable[Path], *, branches: bool = True) -> Reach:
    """What the given studies need, and those of all other branches.

    Raises SharingError if a given study cannot be planned: what it reaches is then not known at all.
    """
    found = Reach()
    for file in study_files:
        try:
            study = load_study(file)
            plan = make_plan(study, *content_versions(study))
        except AtlasError as error:
            raise SharingError(
                f"{file} cannot be planned, so what it still needs is not known and nothing is listed. "
                f"Mend it, or name the studies that count with --study. {error}"
            ) from None
        if count := found.add(repository, plan):
            found.notes.append(f"{file}: data are not here, so {count} of its runs are undecided and kept")
    for branch in _other_branches(repository) if branches else ():
        _add_branch(repository, branch, found)
    return found


def _add_branch(repository: Repository, branch: str, found: Reach) -> None:
    """Add what the studies of a branch need, as far as this working tree's code can plan them."""
    listed = repository.git("ls-tree", "-r", "--name-only", branch, "--", "config.yaml", "studies") or ""
    same_code = repository.git("rev-parse", f"{branch}:{CODE}") == repository.git("hash-object", "--", CODE)
    for name in (line for line in listed.splitlines() if line.endswith(".yaml")):
        text = repository.git("show", f"{branch}:{name}") or ""
        try:
            study = parse_study(yaml.safe_load(text))
            versions = {
                dataset: _version(repository, branch, study, dataset) for dataset in used_datasets(study)
            }
            origin = "elsewhere" if isinstance(study.ilsvrc, FileOrigin | PackageOrigin) else None
            plan = make_plan(study, versions, origin)
        except (AtlasError, yaml.YAMLError, TypeError) as error:
            raise SharingError(
                f"{name} of branch {branch} cannot be planned with this code, so what it still needs is not known. "
                f"Name the studies that count with --study and give --this-branch-only, if you are sure. {error}"
            ) from None
        if count := found.add(repository, plan, exact=same_code and origin is None):
            found.notes.append(f"branch {branch}, {name}: {count} runs are undecided and kept")


def _other_branches(repository: Repository) -> list[str]:
    """Branches, here and known of remotes, whose studies, data or code differ from those of any seen before."""
    names = repository.git("for-each-ref", "--format=%(refname)", "refs/heads", "refs/remotes") or ""
    looked_at = ("config.yaml", "studies", "data", CODE)
    seen = {repository.git("ls-tree", "-r", "HEAD", "--", *looked_at)}
    found = []
    for name in names.splitlines():
        state = repository.git("ls-tree", "-r", name, "--", *looked_at)
        if state is not None and state not in seen:
            seen.add(state)
            found.append(name)
    return found


def _version(repository: Repository, branch: str, study: Study, dataset: str) -> str:
    """The version of a raw dataset that a branch records; what it does not record has the version it has here."""
    raw = raw_folder(study.datasets[dataset].adapter, study.data_root)
    path = None if raw is None else repository.relative(raw)
    if path is not None:
        for suffix in (".dvc", ".manifest.json"):
            text = repository.git("show", f"{branch}:{path.as_posix()}{suffix}")
            if text is not None:
                content = yaml.safe_load(text)  # JSON is YAML
                try:
                    return str(content["outs"][0]["md5"] if suffix == ".dvc" else content["md5"])
                except (KeyError, IndexError, TypeError):
                    return ABSENT
    return version_of(study, dataset)


def _unknown(run: Run) -> bool:
    """Whether data that are not here enter a run's key."""
    return ABSENT in run.versions.values() or any(_unknown(parent) for parent in run.parents.values())
