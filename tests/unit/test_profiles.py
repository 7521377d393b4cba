"""Profiles, containers, environments: checked by their own linters and schemas, without the machines they are for."""

import json
import re
import subprocess
import sys
from pathlib import Path

import clouds
import pytest
import yaml
import yte

REPOSITORY = Path(__file__).resolve().parents[2]
PROFILES = sorted(path.parent for path in (REPOSITORY / "profiles").glob("*/config.yaml"))
DOCKERFILES = sorted((REPOSITORY / "container").glob("*ockerfile"))
ENVIRONMENTS = sorted((REPOSITORY / "envs").glob("*.yaml"))
TPU = REPOSITORY / "profiles/tpu"
VERSION = "1.31"  # of Kubernetes


def lock(path: Path) -> dict[str, str]:
    """Versions by package of a lock file."""
    found = re.findall(r"^([A-Za-z0-9_.-]+)==([^\s;]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    return dict(found)


def settings_of(profile: Path) -> dict:
    """A profile as Snakemake reads it: some are templates."""
    return yte.process_yaml((profile / "config.yaml").read_text(encoding="utf-8"), require_use_yte=True)


def options() -> set[str]:
    """Options of Snakemake with the executors and storage of clouds, without the dashes."""
    told = "import json; from snakemake.cli import get_argument_parser; "
    told += "print(json.dumps([o for a in get_argument_parser()._actions for o in a.option_strings]))"
    said = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=True, env=clouds.environment()
    )
    return {option.removeprefix("--") for option in json.loads(said.stdout.splitlines()[-1])}


@pytest.fixture
def validated():
    """Raises where an object is not what Kubernetes takes."""
    clouds.use()
    import kubernetes_validate

    def validate(values):
        kubernetes_validate.validate(values, VERSION, strict=True)
        return values

    return validate


def test_every_key_of_every_profile_is_an_option_of_snakemake():
    known = options()
    assert {"kubernetes-persistent-volumes", "googlebatch-project", "storage-s3-endpoint-url"} <= known
    for profile in PROFILES:
        keys = settings_of(profile)
        assert not set(keys) - known, profile


def test_rules_that_profiles_name_are_there():
    rules = "\n".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "rules").glob("*.smk"))
    there = set(re.findall(r"^rule (\w+):|as (\w+) with:", rules, re.MULTILINE))
    names = {name for pair in there for name in pair if name}
    for profile in PROFILES:
        keys = settings_of(profile)
        for key in ("set-threads", "set-resources"):
            told = keys.get(key) or []
            for each in told:
                assert re.split(r"[=:]", each)[0] in names, (profile, each)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_the_linter_has_nothing_to_say_of_the_container_files(path):
    linter = clouds.site() / "bin/hadolint"
    said = subprocess.run([linter, path], capture_output=True, text=True)
    assert said.returncode == 0, said.stdout


def test_the_parts_of_the_lock_file_make_up_the_whole():
    def part(name: str) -> str:
        call = [REPOSITORY / "container/part_of_lock.sh", name, REPOSITORY / "requirements.lock"]
        return subprocess.run(call, capture_output=True, text=True, check=True).stdout

    whole = lock(REPOSITORY / "requirements.lock")
    large, small = (
        dict(re.findall(r"^(\S+?)==([^\s;]+)", part(name), re.MULTILINE)) for name in ("large", "small")
    )
    assert large | small == whole and not set(large) & set(small)
    assert {"torch", "torchvision"} <= set(large) and "numpy" in small and part("small").count("sha256") > 500
    assert part("torch").split() == [f"{name}=={whole[name]}" for name in ("torch", "torchvision")]
    wrong = subprocess.run(
        [REPOSITORY / "container/part_of_lock.sh", "all", "x"], capture_output=True, text=True
    )
    assert wrong.returncode == 2 and "all is no part" in wrong.stderr


def test_what_a_container_copies_is_not_ignored():
    ignored = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    for path in DOCKERFILES:
        for line in re.findall(r"^COPY (.*) \S+$", path.read_text(encoding="utf-8"), re.MULTILINE):
            for name in line.split():
                assert name == "." or (REPOSITORY / name).exists(), (path.name, name)
                assert name == "." or any(name == each or name.startswith(f"{each}/") for each in kept), name


def test_the_tpu_packages_go_with_the_lock_file():
    there, added = lock(REPOSITORY / "requirements.lock"), lock(REPOSITORY / "envs/tpu.lock")
    assert "torch-tpu" in added and "libtpu" in added and not {"torch", "triton"} & set(added)
    assert {name: there[name] for name in set(there) & set(added)} == {
        name: added[name] for name in set(there) & set(added)
    }


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.name)
def test_conda_environments_have_the_versions_of_the_lock_file(path):
    locked = lock(REPOSITORY / "requirements.lock")
    (pip,) = (
        each["pip"]
        for each in yaml.safe_load(path.read_text(encoding="utf-8"))["dependencies"]
        if isinstance(each, dict)
    )
    assert pip == [f"{name}=={locked[name]}" for name in (each.split("==")[0] for each in pip)]


def submitted(*arguments: str) -> dict:
    call = [
        sys.executable,
        TPU / "submit.py",
        *arguments,
        "--cpus",
        "8",
        "--memory-mb",
        "4000",
        "--minutes",
        "90",
    ]
    said = subprocess.run([*call, "--dry", "a script.sh"], capture_output=True, text=True, check=True)
    return yaml.safe_load(said.stdout)


def test_jobs_on_tpus_are_jobs_of_kubernetes(validated):
    job = validated(submitted("--rule", "train_source", "--tpus", "1"))
    pod = job["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"]["limits"]["google.com/tpu"] == "1"
    assert pod["containers"][0]["command"][-1].endswith("a script.sh'")
    assert job["spec"]["activeDeadlineSeconds"] == 5400
    without = validated(submitted("--rule", "tables", "--tpus", "0"))
    assert "nodeSelector" not in without["spec"]["template"]["spec"]
    with pytest.raises(Exception, match="backofLimit"):
        validated(job | {"spec": job["spec"] | {"backofLimit": 0}})


def test_the_launcher_is_what_kubernetes_takes(validated):
    text = (REPOSITORY / "profiles/kubernetes/launcher.yaml").read_text(encoding="utf-8")
    found = list(yaml.safe_load_all(text))
    for each in found:
        validated(each)
    assert [each["kind"] for each in found][-1] == "Job"


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        (None, "running"),
        ([{"type": "Suspended", "status": "True"}], "running"),
        ([{"type": "Failed", "status": "False"}], "running"),
        ([{"type": "Failed", "status": "True"}], "failed"),
        ([{"type": "FailureTarget", "status": "True"}, {"type": "Complete", "status": "True"}], "success"),
    ],
)
def test_the_verdict_on_a_job_follows_its_conditions(tmp_path, conditions, expected):
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps({'status': {'conditions': conditions}})}\nEND\n")
    kubectl.chmod(0o755)
    call = [sys.executable, TPU / "status.py", "atlas-x"]
    said = subprocess.run(call, capture_output=True, text=True, env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert said.stdout.strip() == expected


@pytest.mark.parametrize(("error", "expected"), [("Error (NotFound): x", "failed"), ("timeout", "running")])
def test_a_job_that_is_gone_has_failed_and_an_unreachable_cluster_says_nothing(tmp_path, error, expected):
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f"#!/bin/sh\necho '{error}' >&2\nexit 1\n")
    kubectl.chmod(0o755)
    call = [sys.executable, TPU / "status.py", "atlas-x"]
    said = subprocess.run(call, capture_output=True, text=True, env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert said.stdout.strip() == expected
