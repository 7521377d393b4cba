"""Pulls raw datasets that are recorded in .dvc files, where they have to be prepared."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import yaml

from transfer_atlas.datasets.recorded import recorded
from transfer_atlas.datasets.registry import raw_folder
from transfer_atlas.planning.run import Run
from transfer_atlas.sharing.pull import Pulled
from transfer_atlas.sharing.repository import Repository, why
from transfer_atlas.store import checked
from transfer_atlas.store.checked import Unacceptable
from transfer_atlas.study.study import Study


def pull_data(repository: Repository, paths: Iterable[Path]) -> Pulled:
    """Pull raw datasets, whose `.dvc` files lie beside the given paths."""
    result, targets = Pulled(), []
    for path in paths:
        file = Path(f"{path}.dvc")
        try:
            check_dvc_file(repository.folder / file)
            targets.append(str(file))
        except Unacceptable as error:
            result.problems.append(f"{file} {error} It is not pulled.")
    if targets:
        done = repository.dvc("pull", *targets)
        if done.returncode:
            result.problems.append(f"`dvc pull {' '.join(targets)}` failed: {why(done)}")
    return result


def check_dvc_file(file: Path) -> None:
    """Refuse a .dvc file that puts something elsewhere than beside it, under its name. Raises Unacceptable."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        outs, folder = content["outs"], content.get("wdir", ".")
        names = [str(out["path"]) for out in outs]
        hashes = [out.get("md5") for out in outs]
    except (
        OSError,
        ValueError,
        RecursionError,
        yaml.YAMLError,
        KeyError,
        TypeError,
        AttributeError,
    ) as error:
        raise Unacceptable(f"is no .dvc file ({type(error).__name__}).") from None
    if names != [file.name.removesuffix(".dvc")] or folder != ".":
        raise Unacceptable(
            f"has the output {names!r} in {folder!r}; expected {file.name.removesuffix('.dvc')!r}."
        )
    for text in hashes:
        if text is not None:
            checked.md5(text, folder=str(text).endswith(".dir"))


def raw_data_to_pull(study: Study, runs: Iterable[Run]) -> list[Path]:
    """Raw datasets that are recorded in a .dvc file, are not there, and are needed to prepare datasets."""
    found: dict[Path, None] = {}
    for run in runs:
        if run.kind != "prepared":
            continue
        raw = raw_folder(study.datasets[run.name.split(".")[0]].adapter, study.data_root)
        record = None if raw is None or raw.exists() else recorded(raw)
        if record is not None and record.file.suffix == ".dvc":
            found[record.folder] = None
    return list(found)
