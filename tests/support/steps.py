"""Steps that several tests of the workflow take: edits of a clone, pulls, waiting."""

import subprocess
import time
from pathlib import Path

from clones import ALL_RUNS, Clone, transfers

PREPARATIONS = {job for job in ALL_RUNS if job.startswith("prepare_dataset")}
STARTS_FROM_MEADOW = transfers({"street": ["meadow"], "harbour": ["meadow"]})
ALL_TRANSFERS = {job for job in ALL_RUNS if job.startswith("transfer ")}


def pull(colleague: Clone, clone: Clone, *paths: str) -> None:
    """Copy folders of a colleague's clone, with new file times, as `dvc pull` would."""
    for path in paths:
        target = clone.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-r", colleague.folder / path, target], check=True)


def with_desert(study) -> None:
    """Add the dataset desert to a study, as source and as target."""
    entry = study["datasets"]["meadow"]
    study["datasets"]["desert"] = entry | {
        "domain": "dry",
        "adapter": entry["adapter"] | {"path": "desert"},
    }
    study["experiments"][0]["sources"].append("segmentation/desert")
    study["experiments"][0]["targets"].append("segmentation/desert")


def edit_loss(clone: Clone) -> None:
    """Change what the segmentation loss computes."""
    clone.replace(
        "src/transfer_atlas/tasks/segmentation.py",
        '(targets["mask"] < outputs.shape[1]).sum().clamp(min=1)',
        '(targets["mask"] < outputs.shape[1]).sum().clamp(min=2)',
    )


def declare(clone: Clone, choice: str) -> None:
    """Declare the edit of the segmentation task."""
    call = clone.python("-m", "transfer_atlas.code_versions", "declare", "task_segmentation", choice)
    assert call.returncode == 0, call.stderr


def wait_for(path: Path, process: subprocess.Popen, seconds: float = 120) -> None:
    """Wait until a file is there."""
    end = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, f"{path} did not come"
        time.sleep(0.005)
