"""Content versions of everything a study reads from outside: raw datasets and the ILSVRC checkpoint."""

from __future__ import annotations

import hashlib
from pathlib import Path

from transfer_atlas.config import FileOrigin, PackageOrigin, Study
from transfer_atlas.datasets.adapters import raw_path
from transfer_atlas.datasets.versions import dataset_version
from transfer_atlas.errors import CheckpointError
from transfer_atlas.models.packages import package_version
from transfer_atlas.plan import used_datasets


def content_versions(study: Study) -> tuple[dict[str, str], str | None]:
    """Versions of the used datasets by name, and of the ILSVRC checkpoint if it is a file or a package.

    A generated dataset's version is that of its generator, which is in its settings and its code version.
    Hashes of files are kept in the scratch folder, so that only changed files are read again.
    Raises DatasetError or CheckpointError for what is missing.
    """
    cache = Path(study.scratch) / "content_versions.json"
    versions = {}
    for name in used_datasets(study):
        path = raw_path(study.datasets[name].adapter)
        versions[name] = "generated" if path is None else dataset_version(Path(study.data_root) / path, cache)
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
