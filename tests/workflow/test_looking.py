"""How often planning asks the file system about a run that is there: a network's file system answers slowly."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from clones import REPOSITORY

# Put on the path as sitecustomize.py, it counts in every Python process; the counts are written at its end.
COUNTING = """
import atexit, json, os, sys
counts = {}

def counted(name):
    true = getattr(os, name)
    def ask(path=".", *arguments, **options):
        key = f"{name} {path if isinstance(path, (str, int)) else os.fspath(path)}"
        counts[key] = counts.get(key, 0) + 1
        return true(path, *arguments, **options)
    setattr(os, name, ask)

for name in ("stat", "lstat", "access", "listdir", "scandir", "open"):
    counted(name)

def write():
    with open(os.environ["COUNTS_FILE"], "w") as file:
        json.dump(counts, file)

atexit.register(write)
"""


@pytest.fixture(scope="module")
def asked(tmp_path_factory) -> Counter:
    """Questions about each run's folder and what is in it, in a dry run with all of 446 runs present."""
    sys.path.insert(0, str(REPOSITORY / "benchmarks"))
    import planning

    folder = tmp_path_factory.mktemp("planning")
    study_file = folder / "study.yaml"
    study_file.write_text(yaml.safe_dump(planning.study_of(400, folder)), encoding="utf-8")
    planning.finish(study_file)
    (folder / "sitecustomize.py").write_text(COUNTING, encoding="utf-8")
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(folder), str(REPOSITORY / "src")]),
        "COUNTS_FILE": str(folder / "counts.json"),
    }
    command = [sys.executable, "-m", "snakemake", "-n", "--nolock", "--configfile", str(study_file)]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True
    )
    assert "Nothing to be done" in done.stdout + done.stderr
    store = folder / "store"
    found: Counter = Counter({path.parent: 0 for path in store.glob("*/*/*/run.json")})
    for question, count in json.loads((folder / "counts.json").read_text(encoding="utf-8")).items():
        path = Path(question.split(" ", 1)[1])
        if path.is_relative_to(store) and len(path.relative_to(store).parts) >= 3:
            found[store.joinpath(*path.relative_to(store).parts[:3])] += count
    return found


def test_planning_asks_once_about_each_run(asked):
    assert len(asked) > 440
    assert max(asked.values()) == 1
    assert sum(asked.values()) >= 420, "the counting counts"
