"""Several GPUs on one machine, and what is seen of a study while it runs and after: through Snakemake itself."""

import json
import os
import time

from clones import STUDY_FILE

NVIDIA_SMI = """#!/bin/sh
echo "GPU 0: Drawn (UUID: GPU-0000aaaa)"
echo "GPU 1: Drawn (UUID: GPU-0000bbbb)"
"""


def status(clone):
    call = clone.python("-m", "transfer_atlas.command", "status", STUDY_FILE, "--json")
    assert call.returncode in (0, 1), call.stderr
    return json.loads(call.stdout)


def last_longer(study):
    study["datasets"]["street"]["tasks"]["segmentation"] = {"training": {"steps": 60}}


def test_each_run_has_a_gpu_of_its_own_and_the_status_tells_where_it_stands(begun, tmp_path):
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "nvidia-smi").write_text(NVIDIA_SMI)
    (programs / "nvidia-smi").chmod(0o755)
    begun.change(last_longer)
    broken = sorted((begun.folder / "data/harbour/masks/train").iterdir())[0]
    broken.write_bytes(b"no picture")
    surroundings = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "TRANSFER_ATLAS_DEVICE_LOCKS": str(tmp_path / "locks"),
    }
    process, _ = begun.start("--cores", "2", "--resources", "gpu=2", **surroundings)
    seen = []
    while process.poll() is None:
        seen += [run for run in status(begun)["running"] if run["kind"] == "source"]
        time.sleep(0.5)
    said = "".join(process.communicate())
    assert process.returncode == 1, said
    assert seen and all(len(run["attempt"]["gpus"]) == 1 for run in seen)
    assert {gpu for run in seen for gpu in run["attempt"]["gpus"]} <= {"GPU-0000aaaa", "GPU-0000bbbb"}
    told = status(begun)
    (failed,) = told["failed"]
    assert (failed["kind"], failed["name"]) == ("prepared", "harbour")
    assert broken.name in failed["attempt"]["failed"] and failed["lines"]
    of_kind = {kind["kind"]: kind for kind in told["kinds"]}
    assert of_kind["source"]["done"] == 2 and of_kind["source"]["hours_spent"] > 0
    assert of_kind["transfer"]["queued"] == 4 and of_kind["prepared"]["failed"] == 1
    assert not told["running"] and not told["is_done"]
    gpus = {
        path.parents[2].name: json.loads(path.read_text())["gpus"]
        for path in (begun.folder / "store").glob("*/*/*/run.json")
    }
    assert gpus["prepared"] == [] and len(gpus["sources"]) == len(gpus["transfers"]) == 1
