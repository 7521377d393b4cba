"""The layers of results as `dvc.yaml` declares them, and their versions in `dvc.lock`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from transfer_atlas.planning.kinds import KINDS
from transfer_atlas.sharing.records import Records, read_records
from transfer_atlas.sharing.repository import Repository, SharingError

RECORDED = "recorded"  # folder of the lists of recorded runs


@dataclass(frozen=True)
class Layer:
    """One layer: a stage of dvc.yaml with the folder it is made in, relative to the repository."""

    name: str
    folder: Path
    command: str

    @property
    def keyed(self) -> bool:
        """Whether the folder holds runs, which merge by union; else one version replaces another."""
        return self.folder.name in {kind.folder for kind in KINDS.values()}

    def records_file(self, repository: Repository) -> Path:
        """The list of the layer's recorded runs."""
        return repository.folder / RECORDED / f"{self.name}.jsonl"

    def records(self, repository: Repository) -> Records:
        """The layer's recorded runs."""
        return read_records(self.records_file(repository))


def layers_of(repository: Repository) -> list[Layer]:
    """Layers in the order of dvc.yaml: its stages with one output. Raises SharingError if there is no such file."""
    path = repository.folder / "dvc.yaml"
    try:
        stages = yaml.safe_load(path.read_text(encoding="utf-8"))["stages"]
    except (OSError, yaml.YAMLError, TypeError, KeyError) as error:
        raise SharingError(f"{path} declares no layers ({error}); restore it with git.") from None
    layers = []
    for name, stage in stages.items():
        outputs = [next(iter(out)) if isinstance(out, dict) else out for out in stage.get("outs", [])]
        if len(outputs) == 1:
            layers.append(Layer(name, Path(outputs[0]), stage["cmd"]))
    return layers


def layer_of(path: Path, layers: list[Layer]) -> Layer | None:
    """The layer that a path relative to the repository lies in."""
    return next((layer for layer in layers if path.is_relative_to(layer.folder)), None)


def read_lock(repository: Repository) -> dict[str, Any]:
    """Stages of dvc.lock by name. Raises SharingError if it is not YAML, as during a merge."""
    path = repository.folder / "dvc.lock"
    try:
        return parse_lock(path.read_text(encoding="utf-8"))
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
        return dict(content.get("stages") or {})
    except (yaml.YAMLError, AttributeError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise SharingError(f"is no dvc.lock ({first})") from None


def write_lock(repository: Repository, stages: Mapping[str, Any]) -> None:
    """Replace dvc.lock in one step."""
    text = yaml.safe_dump({"schema": "2.0", "stages": dict(stages)}, sort_keys=False)
    _replace(repository.folder / "dvc.lock", text)


def locked_version(stage: Mapping[str, Any] | None) -> str | None:
    """The md5 that dvc.lock has for a layer."""
    try:
        return str(stage["outs"][0]["md5"]) if stage else None
    except (KeyError, IndexError, TypeError):
        return None


def lock_entry(layer: Layer, records: Records) -> dict[str, Any]:
    """What dvc.lock says of a layer that holds these runs."""
    out = {
        "path": layer.folder.as_posix(),
        "hash": "md5",
        "md5": records.version(),
        "size": records.size,
        "nfiles": records.count,
    }
    return {"cmd": layer.command, "outs": [out]}


def write_layers(
    repository: Repository, lock: Mapping[str, Any], records: Mapping[Layer, Records]
) -> dict[str, Any]:
    """Write down what layers hold: their lists of runs, DVC's lists of their folders, and dvc.lock.

    lock: stages of dvc.lock as they are; those of other layers are kept. Files are written only if they change.
    Returns the stages of the new dvc.lock.
    """
    stages = dict(lock)
    for layer, found in records.items():
        path, text = layer.records_file(repository), found.text()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            _replace(path, text)
        listing, version = found.listing(), found.version()
        listed = repository.cache_file(version)
        if not listed.exists():
            listed.parent.mkdir(parents=True, exist_ok=True)
            part = listed.with_name(f".{listed.name}.{os.getpid()}.part")
            part.write_bytes(listing)
            part.chmod(0o444)
            part.replace(listed)
        if locked_version(stages.get(layer.name)) != version:
            stages[layer.name] = lock_entry(layer, found)
    if stages != lock or not (repository.folder / "dvc.lock").exists():
        write_lock(repository, stages)
    return stages


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
