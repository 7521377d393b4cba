"""Records finished runs: their files go into DVC's cache, their versions into `recorded/` and `dvc.lock`.

`dvc commit` hashes and stores what is there. What was recorded before and is not here, as after a partial pull, stays
recorded: the new version of a layer is the union.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from transfer_atlas.sharing import compare, tables
from transfer_atlas.sharing.cache import cached_text
from transfer_atlas.sharing.layers import (
    RESULTS,
    STORE,
    Layer,
    layer_of,
    layers_of,
    locked_version,
    read_lock,
    write_layers,
)
from transfer_atlas.sharing.records import (
    CHOSEN,
    REMOVED,
    SET_ASIDE,
    Files,
    Records,
    Version,
    records_of,
    version_of,
)
from transfer_atlas.sharing.repository import Repository, SharingError
from transfer_atlas.sharing.summary import write_summary
from transfer_atlas.store import checked
from transfer_atlas.store.checked import Unacceptable, checked_problems, read_checked
from transfer_atlas.store.files import printable
from transfer_atlas.store.store import RUN_FILE


@dataclass(frozen=True)
class _Check:
    """What is wrong with a run, or with those that it builds on and that are here. Each is read once."""

    repository: Repository
    problems: Callable[[Path], list[str]]
    by_key: Mapping[str, list[Path]]

    def __call__(self, folder: Path) -> list[str]:
        """folder: of the run, relative to the repository."""
        path = self.repository.folder / folder
        if found := self.problems(path):
            return found
        return [
            f"{folder} builds on a damaged {role}: {wrong[0]}"
            for role, key in sorted(read_checked(path)["parents"].items())
            for parent in self.by_key.get(key, ())
            if (wrong := self.problems(parent))
        ]


@dataclass
class Recorded:
    """What recording a layer came to.

    new: runs (or studies) recorded. again: computed here again. notes: what to know. problems: what was refused.
    """

    layer: Layer
    records: Records
    new: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def record(
    repository: Repository, *, replace_others: bool = False, bring_back: bool = False
) -> list[Recorded]:
    """Record all finished runs of all layers, and the tables. Needs no remote; `dvc push` comes after it.

    A run whose files are not what its run.json says, or that builds on such a run, is not recorded; it is among the
    problems. Of a run that is recorded already and was computed here again, both versions are recorded, and the one
    computed first is taken; `replace_others` takes this clone's. A run that was removed from the record stays removed,
    unless `bring_back`. Tables are recorded if they follow from the recorded runs.
    """
    layers = layers_of(repository)
    for results in sorted(
        {path.parent.parent for path in (repository.folder / RESULTS).rglob("tables/gains.parquet")}
    ):
        write_summary(results)
    linked = {layer: found for layer in layers if (found := _links(repository, layer))}
    listed = _commit(repository, [layer for layer in layers if layer not in linked])
    known = {layer: layer.records(repository) for layer in layers}
    check = _Check(repository, functools.cache(checked_problems), _by_key(repository))
    results = []
    for layer in layers:
        result = Recorded(layer, known[layer], problems=list(known[layer].problems))
        if layer not in listed:
            result.problems += [
                f"{printable(link)} is a link, and DVC would write where it leads: remove it."
                for link in linked[layer]
            ]
        elif layer.keyed:
            _add_runs(repository, result, _by_run(listed[layer]), check, replace_others, bring_back)
        results.append(result)
    agreeing = tables.agreeing_versions(
        {result.layer.folder.name: result.records for result in results if result.layer.keyed}
    )
    for result in results:
        if not result.layer.keyed and result.layer in listed:
            _add_tables(repository, result, listed[result.layer], agreeing)
    write_layers(repository, read_lock(repository), {result.layer: result.records for result in results})
    return results


def run_folders(folder: Path) -> Iterator[Path]:
    """Folders `<readable name>/<key>` of a layer, sorted. Links are not followed, other names are passed over."""
    if Path(folder).is_dir():
        for name in sorted(Path(folder).iterdir()):
            if name.is_dir() and not name.is_symlink():
                for run in sorted(name.iterdir()):
                    known = checked.RUN_NAME.fullmatch(f"{name.name}/{run.name}") is not None
                    if known and run.is_dir() and not run.is_symlink():
                        yield run


def stores_outside(repository: Repository) -> list[str]:
    """A sentence for each study of the repository whose store is in no layer, so that nothing of it is shared."""
    layers = [layer for layer in layers_of(repository) if layer.keyed]
    found = []
    for path in [repository.folder / "config.yaml", *sorted((repository.folder / "studies").glob("*.yaml"))]:
        try:
            study = yaml.safe_load(path.read_text(encoding="utf-8"))
            store = str(study.get("store", "store"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError):
            continue  # `snakemake` says what is wrong with it
        relative = repository.relative(Path(store))
        if relative is None or layer_of(relative / layers[0].folder.name, layers) is None:
            found.append(
                f"{path.name}: the store {store} is in no layer of dvc.yaml: nothing of it is shared. "
                "Expected `store: store`."
            )
    return found


def _by_key(repository: Repository) -> dict[str, list[Path]]:
    """Folders of all runs that are here by key, but for those of which only the run.json was pulled."""
    found: dict[str, list[Path]] = {}
    for layer in sorted((repository.folder / STORE).glob("*")):
        for run in run_folders(layer):
            if any(path.name != RUN_FILE for path in run.iterdir()):
                found.setdefault(run.name, []).append(run)
    return found


def _links(repository: Repository, layer: Layer) -> list[Path]:
    """Folders in a layer that are links, relative to the repository."""
    return [
        path.relative_to(repository.folder)
        for folder, names, _ in os.walk(repository.folder / layer.folder)
        for name in names
        if (path := Path(folder, name)).is_symlink()
    ]


def _commit(repository: Repository, layers: list[Layer]) -> dict[Layer, dict[str, str]]:
    """Have DVC hash and store what is here. Returns md5s by path, by layer."""
    made = []
    for layer in layers:  # DVC wants to see all that stages need; a clone may have only some of it
        path = repository.folder / layer.folder
        if not path.exists():
            path.mkdir(parents=True)
            made.append(layer)
    try:
        if layers:
            repository.dvc_well("commit", "--quiet", "--force", *(layer.name for layer in layers))
    finally:
        for layer in made:
            if layer.records(repository).runs:  # an empty layer is here as a whole
                (repository.folder / layer.folder).rmdir()
    lock, listed = read_lock(repository), {}
    for layer in layers:
        version = locked_version(lock.get(layer.name))
        if version is None:
            raise SharingError(f"`dvc commit` recorded no version of {layer.folder} in dvc.lock.")
        entries = checked.plain_json(cached_text(repository, version))
        listed[layer] = {str(entry["relpath"]): str(entry["md5"]) for entry in entries}
    return listed


def _by_run(listed: Mapping[str, str]) -> dict[str, dict[str, str]]:
    runs: dict[str, dict[str, str]] = {}
    for path, md5 in listed.items():
        parts = path.split("/", 2)
        if len(parts) == 3:
            runs.setdefault("/".join(parts[:2]), {})[parts[2]] = md5
    return runs


def _add_runs(
    repository: Repository,
    result: Recorded,
    listed: Mapping[str, dict[str, str]],
    check: _Check,
    replace_others: bool,
    bring_back: bool,
) -> None:
    """Add to a layer's records the runs that are new or were computed again, if they are whole."""
    layer, versions = result.layer, dict(result.records.versions)
    gone = 0
    for run, digests in sorted(listed.items()):
        folder = layer.folder / run
        recorded = {name: md5 for name, (md5, _) in result.records.runs.get(run, {}).items()}
        if digests.items() <= recorded.items():
            continue  # as it is recorded, or a part of that
        try:
            checked.run_name(run)
            files = _files(repository.folder / folder, digests)
            found = check(folder)
        except (Unacceptable, OSError) as error:  # a name that is none; a file that has gone meanwhile
            found = [f"{folder}: {error}"]
        if found:
            result.problems += [problem.replace(f"{repository.folder}/", "") for problem in found]
            continue
        content = read_checked(repository.folder / folder)
        version = version_of(run, content, files)
        known = result.records.known(run, version.md5)
        if known is not None and known.state == REMOVED and not bring_back:
            gone += 1
            continue
        said = compare.compare(repository.folder / folder, run, result.records, folder)
        if said.verdict == compare.CHANGED:
            result.problems.append(f"{said.text} `verify --refetch` brings the recorded one.")
            continue
        (
            result.new if said.verdict in (compare.NEW, compare.GONE) or replace_others else result.again
        ).append(run)
        if said.verdict == compare.OTHER:
            result.notes.append(said.text)
        versions[run] = _with(versions.get(run, ()), version, alone=replace_others)
    if gone:
        result.notes.append(
            f"{gone} runs in {layer.folder} were removed from the record, and lie here still; they stay removed "
            "(`record --bring-back` records them, `garbage` lists those that no study reaches)."
        )
    result.records = records_of((v for found in versions.values() for v in found), result.records.problems)


def _with(known: tuple[Version, ...], version: Version, *, alone: bool) -> tuple[Version, ...]:
    """The versions of a run with one more; alone: the others are set aside for it."""
    others = [other for other in known if other.md5 != version.md5]
    if alone:
        others = [replace(other, state=SET_ASIDE) if other.state == CHOSEN else other for other in others]
    return (*others, version)


def _files(folder: Path, digests: Mapping[str, str]) -> Files:
    """Files of a run with md5 and size. Raises Unacceptable for names that are none."""
    return {
        checked.file_name(name): (checked.md5(digests[name]), (folder / name).stat().st_size)
        for name in sorted(digests)
    }


def _add_tables(
    repository: Repository, result: Recorded, listed: Mapping[str, str], agreeing: Mapping[str, set[str]]
) -> None:
    """Take this clone's tables of each study that is here, if they follow from the recorded runs."""
    versions = {version.run: version for version in tables.pruned(result.records, agreeing)}
    for study, digests in sorted(tables.by_study(listed).items()):
        folder = result.layer.folder / study
        try:
            files = _files(repository.folder / folder, digests)
            shown = tables.read_shown(repository.folder / folder)
            unlike = tables.unlike_written(repository.folder / folder, digests)
        except (Unacceptable, OSError) as error:
            result.problems.append(f"{folder}: {error}")
            continue
        if study in versions and versions[study].files == files:
            continue
        if shown is None or unlike is None:
            result.problems.append(
                f"{folder} does not say which runs its tables show, so whether they follow from the recorded ones is "
                "not known. Remove its tables, and run snakemake to make them anew."
            )
            continue
        if unlike:
            result.problems += _told(folder, unlike)
            continue
        wrong = tables.disagreements(shown, agreeing)
        if wrong:
            result.problems.append(
                f"{folder} shows {len(wrong)} of {len(shown)} runs in versions that are not the recorded ones, as "
                f"store/{wrong[0]}. `verify --refetch` brings the recorded ones, after which snakemake makes the "
                "tables anew; `record --replace` takes this clone's."
            )
            continue
        versions[study] = tables.tables_version(study, files, shown)
        result.new.append(study)
    result.records = records_of(versions.values(), result.records.problems)


def _told(folder: Path, unlike: Mapping[str, str]) -> list[str]:
    """A sentence for the files that changed since a study wrote them, and one for those that were removed."""
    found = []
    for became, said, remedy in (
        ("changed", "changed since the study wrote", f"Move it out of {folder}, and run"),
        ("removed", "is not there any more, though the study wrote", "Run"),
    ):
        names = [printable(name) for name, other in unlike.items() if other == became]
        if names:
            others = f" (and so of {', '.join(names[1:])})" if len(names) > 1 else ""
            found.append(
                f"{folder}/{names[0]} {said} it{others}, so these tables are not what follows from the recorded runs. "
                f"{remedy} snakemake to make it anew."
            )
    return found
