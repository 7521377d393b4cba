"""`snakemake --profile cluster` on a real Slurm that is started here: `make test-cluster`."""

import os
import tempfile
from pathlib import Path

import pytest
from clones import ALL_RUNS, TABLES_AND_FIGURES
from cluster_calls import on_cluster
from cluster_faults import FAULTS, PRODUCTS, half_done, under_fault
from slurm import Slurm, missing

MODELS = ["store/ilsvrc/*/*/model.safetensors", "store/sources/*/*/model.safetensors"]


@pytest.fixture(scope="module")
def slurm():
    """A Slurm of three nodes, two of them with GPUs; skipped, and said so, where it cannot be started."""
    if missing():
        what = f"no Slurm can be started here: {', '.join(missing())} missing"
        pytest.fail(what) if os.environ.get("ATLAS_NEEDS_SLURM") else pytest.skip(what)
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:  # munge's socket needs a short path
        with Slurm(Path(folder) / "slurm") as slurm:
            started = [process.pid for process in slurm.processes.values()]
            yield slurm
        assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]


def test_a_study_through_slurm_gives_the_tables_of_one_machine(finished, begun, slurm):
    how = on_cluster(slurm)
    call = begun.snakemake(*how["arguments"], timeout=3000, **how["options"]).well()
    assert call.finished == ALL_RUNS | TABLES_AND_FIGURES
    assert begun.files(*PRODUCTS, *MODELS) == finished.files(*PRODUCTS, *MODELS)
    done = slurm.jobs("all")
    assert {job["state"] for job in done} == {"COMPLETED"}
    partitions = {job["comment"].split("_")[1]: job["partition"] for job in done}
    assert partitions["transfer"] == partitions["train"] == partitions["ilsvrc"] == "gpu"
    assert partitions["prepare"] == partitions["tables"] == "cpu"
    assert len(done) <= 8  # 14 runs and three tables and figures: runs of a kind share jobs
    # Each run's log is where it is on one machine; it was given one GPU, and none where it asks for none.
    name = "ilsvrc--segmentation-harbour--6-images--seed0"
    assert list(begun.folder.glob(f"logs/transfers/{name}-*.log"))
    assert begun.record(f"transfer {name}")["gpus"] in (["0"], ["1"])
    assert not begun.record("prepare_dataset harbour")["gpus"]
    begun.no_process_left()
    again = begun.snakemake(*how["arguments"], **how["options"]).well()
    assert "Nothing to be done" in again.said and len(slurm.jobs("all")) == len(done)


def test_a_study_goes_on_when_jobs_are_preempted_and_snakemake_is_killed(finished, tmp_path, slurm):
    """Two of the faults of cluster_faults.py; `make faults-cluster` tries them all."""
    clone = half_done(finished, tmp_path / "atlas")
    report = under_fault(clone, slurm, FAULTS["preempted_then_killed"])
    assert "state was saved within the grace period" in report.noted
    assert report.lost == [] and report.repeated == []
    assert clone.files(*PRODUCTS) == report.expected
    clone.no_process_left(seconds=60)
