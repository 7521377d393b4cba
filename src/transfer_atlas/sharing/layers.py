"""The layers of results as `dvc.yaml` declares them, and their versions in `dvc.lock`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from transfer_atlas.planning.kinds import KINDS
from transfer_atlas.sharing import tables
from transfer_atlas.sharing.cache import keep_listing, md5_of
from transfer_atlas.sharing.record_files import read_records, replace_file, write_records
from transfer_atlas.sharing.records import Records
from transfer_atlas.sharing.repository import Repository, SharingError
from transfer_atlas.store import checked
from transfer_atlas.store.checked import Unacceptable

RECORDED = "recorded"  # folder of the files of recorded runs
STORE = "store"  # folder of the store that is shared
RESULTS = "results"
# Folders of the store whose runs are shared, and those whose runs never are: this is the one place that says so.
SHARED = {kind.folder for kind in KINDS.values() if kind.shared}
NOT_SHARED = {kind.folder for kind in KINDS.values() if not kind.shared}


@dataclass(frozen=True)
class Layer:
    """One layer: a stage of dvc.yaml with the folder it is made in, relative to the repository.

    needs: what the stage is made from, as dvc.yaml says; for `dvc dag` and `dvc status`.
    """

    name: str
    folder: Path
    command: str
    needs: tuple[str, ...] = ()

    @property
    def keyed(self) -> bool:
        """Whether the folder holds runs; else the tables of studies."""
        return self.folder != Path(RESULTS)

    def records_folder(self, repository: Repository) -> Path:
        """Where the layer's recorded runs are."""
        return repository.folder / RECORDED / self.name

    def records(self, repository: Repository) -> Records:
        """The layer's recorded runs."""
        folder = self.records_folder(repository)
        if self.keyed:
            return read_records(folder, repository.folder)
        return read_records(folder, repository.folder, tables.parse_tables)


def layers_of(repository: Repository) -> list[Layer]:
    """Layers in the order of dvc.yaml: its stages with one output. Raises SharingError if there is no such file.

    A stage with an output elsewhere than in the store and the results is refused: nothing else is ever
    recorded, replaced or removed.
    """
    path = repository.folder / "dvc.yaml"
    try:
        stages = yaml.safe_load(path.read_text(encoding="utf-8"))["stages"]
        declared = [(str(name), stage, _outputs(stage)) for name, stage in stages.items()]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, KeyError, AttributeError) as error:
        raise SharingError(f"{path} declares no layers ({error}); restore it with git.") from None
    layers = []
    for name, stage, outputs in declared:
        if len(outputs) != 1:
            continue
        known = outputs[0] == RESULTS or outputs[0] in {f"{STORE}/{folder}" for folder in SHARED}
        if not known or checked.RUN_NAME.fullmatch(f"{name}/{'0' * 16}") is None:
            raise SharingError(
                f"{path}: stage {name!r} has the output {outputs[0]!r}; expected {RESULTS}, or {STORE}/<one of "
                f"{', '.join(sorted(SHARED))}>. Restore the file with git."
            )
        needs = tuple(str(need) for need in stage.get("deps", []))
        layers.append(Layer(name, Path(outputs[0]), str(stage.get("cmd", "")), needs))
    return layers


def run_layers(layers: Iterable[Layer]) -> list[Layer]:
    """Of these layers those that hold runs, and the folders of runs that are never shared."""
    return [layer for layer in layers if layer.keyed] + [
        Layer(folder, Path(STORE) / folder, "") for folder in sorted(NOT_SHARED)
    ]


def layer_of(path: Path, layers: Iterable[Layer]) -> Layer | None:
    """The layer that a path relative to the repository lies in."""
    return next((layer for layer in layers if path.is_relative_to(layer.folder)), None)


def read_lock(repository: Repository) -> dict[str, Any]:
    """Stages of dvc.lock by name. Raises SharingError if it is not YAML, as during a merge."""
    path = repository.folder / "dvc.lock"
    try:
        return parse_lock(path.read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        return {}
    except SharingError as error:
        raise SharingError(
            f"{path} {error}. After a merge of two branches, run `transfer-atlas merge`; "
            "else restore it with git."
        ) from None


def parse_lock(text: str) -> dict[str, Any]:
    """Stages of a dvc.lock by name. Raises SharingError if the text is no such file."""
    try:
        content = yaml.safe_load(text) or {}
        stages = content.get("stages") or {}
        return {str(name): stage for name, stage in stages.items()}
    except (yaml.YAMLError, AttributeError, ValueError, RecursionError) as error:
        first = (str(error).splitlines() or ["?"])[0]
        raise SharingError(f"is no dvc.lock ({first})") from None


def locked_version(stage: Any) -> str | None:
    """The md5 that dvc.lock has for a layer; None if it has none, or something else in its place."""
    try:
        return checked.md5(stage["outs"][0]["md5"], folder=True)
    except (KeyError, IndexError, TypeError, Unacceptable):
        return None


def write_layers(repository: Repository, lock: Mapping[str, Any], records: Mapping[Layer, Records]) -> bool:
    """Write down what layers hold: their recorded runs, DVC's lists of their folders, and dvc.lock.

    records: of all layers. lock: stages of dvc.lock as they are; those that are no layers are kept.
    Only what changes is written. Returns whether dvc.lock was.
    """
    for layer, found in records.items():
        write_records(layer.records_folder(repository), repository.folder, found)
    return write_lock(repository, lock, records)


def write_lock(
    repository: Repository,
    lock: Mapping[str, Any],
    records: Mapping[Layer, Records],
    *,
    careful: bool = False,
) -> bool:
    """Bring DVC's lists and dvc.lock in step with recorded runs. Returns whether dvc.lock was written.

    careful: leave a layer as it is of which some record was refused, and may tell of more; and do nothing if the
    versions of the layers are right.
    """
    versions = {layer: keep_listing(repository, found) for layer, found in records.items()}
    told = {layer: locked_version(lock.get(layer.name)) for layer in records}
    if careful and all(
        told[layer] == version or records[layer].problems for layer, version in versions.items()
    ):
        return False  # whatever else it says, of the study's file perhaps, is left to `record`
    outs = {layer.folder.as_posix(): _out(layer, found) for layer, found in records.items()}
    stages = {name: stage for name, stage in lock.items() if name not in {layer.name for layer in records}}
    for layer, of_layer in records.items():
        if careful and of_layer.problems and layer.name in lock:
            stages[layer.name] = lock[layer.name]
            continue
        needs = [outs.get(need) or _file(repository, need) for need in sorted(layer.needs)]
        found = (
            {"deps": [dict(need) for need in needs if need]} if any(needs) else {}
        )  # YAML marks one object twice
        stages[layer.name] = {"cmd": layer.command, **found, "outs": [outs[layer.folder.as_posix()]]}
    path = repository.folder / "dvc.lock"
    if stages == dict(lock) and path.exists():  # whatever the order
        return False
    replace_file(path, yaml.safe_dump({"schema": "2.0", "stages": stages}, sort_keys=False))
    return True


def _out(layer: Layer, records: Records) -> dict[str, Any]:
    """What dvc.lock says of a folder that holds these runs."""
    return {
        "path": layer.folder.as_posix(),
        "hash": "md5",
        "md5": records.version(),
        "size": records.size,
        "nfiles": records.count,
    }


def _file(repository: Repository, name: str) -> dict[str, Any] | None:
    """What dvc.lock says of a file that a stage needs."""
    path = repository.folder / name
    if not path.is_file():
        return None
    return {"path": name, "hash": "md5", "md5": md5_of(path), "size": path.stat().st_size}


def _outputs(stage: Mapping[str, Any]) -> list[str]:
    outs = stage.get("outs", []) or []
    return [str(next(iter(out))) if isinstance(out, dict) else str(out) for out in outs]
