"""Content versions of everything a study reads from outside: raw datasets and the ILSVRC checkpoint."""

from __future__ import annotations

import hashlib
from pathlib import Path

from transfer_atlas.datasets.registry import raw_folder
from transfer_atlas.datasets.versions import ABSENT, CACHE_FILE, dataset_version, is_absent, version_of_files
from transfer_atlas.errors import CheckpointError
from transfer_atlas.models.packages import package_version
from transfer_atlas.planning.plan import Plan, used_datasets
from transfer_atlas.study.settings import FileOrigin, PackageOrigin
from transfer_atlas.study.study import Study


def content_versions(study: Study) -> tuple[dict[str, str], str | None]:
    """Versions of the used datasets by name, and of the ILSVRC checkpoint if it is a file or a package.

    A generated dataset's version is that of its generator, which is in its settings and its code version.
    A raw dataset that is not there has the version ABSENT, with which a study can be planned but not carried out.
    Hashes of files are kept in the study's `cache`, so that only changed files are read again.
    Raises DatasetError for a raw dataset that is empty or no folder, CheckpointError for a checkpoint that is missing.
    """
    versions: dict[str, str] = {}
    for name in used_datasets(study):
        versions |= versions_of(study, name)
    origin = None
    if isinstance(study.ilsvrc, PackageOrigin):
        origin = package_version(study.ilsvrc.package)
    elif isinstance(study.ilsvrc, FileOrigin):
        path = Path(study.ilsvrc.path)
        if not path.is_file():
            raise CheckpointError(
                f"ilsvrc.path: {path} does not exist; correct the path, or put the checkpoint there."
            )
        with path.open("rb") as file:
            origin = hashlib.file_digest(file, "md5").hexdigest()
    return versions, origin


def versions_of(study: Study, dataset: str) -> dict[str, str]:
    """Versions of one dataset, by its name, and of those of its parts that have one of their own."""
    return {dataset: version_of(study, dataset)} | _versions_of_parts(study, dataset)


def version_of(study: Study, dataset: str) -> str:
    """Version of one dataset of the study; see `content_versions`."""
    path = raw_folder(study.datasets[dataset].adapter, study.data_root)
    if path is None:
        return "generated"
    cache = Path(study.cache or study.scratch) / CACHE_FILE
    return ABSENT if is_absent(path) else dataset_version(path, cache)


def _versions_of_parts(study: Study, dataset: str) -> dict[str, str]:
    """Versions of those parts of a dataset that are made of some of its files only, as `dataset@part`."""
    path = raw_folder(study.datasets[dataset].adapter, study.data_root)
    if path is None or is_absent(path):
        return {}
    cache = Path(study.cache or study.scratch) / CACHE_FILE
    return {
        f"{dataset}@{name}": version_of_files(path, part.files, cache)
        for name, part in study.datasets[dataset].parts.items()
        if part.files is not None
    }


def absent_datasets(plan: Plan) -> list[str]:
    """Names of raw datasets that a plan needs and that are neither here nor recorded by DVC."""
    absent = [run.name.split(".")[0] for run in plan.of_kind("prepared") if run.versions["dataset"] == ABSENT]
    return list(dict.fromkeys(absent))
