"""Machines of others: jobs without a shared working folder through S3, the profiles for Kubernetes and Google Batch."""

import shutil
import stat

import clouds
import pytest
from clones import ALL_RUNS, PLUGINS, TABLES_AND_FIGURES, transfer
from fake_kubernetes import kubernetes

BUCKET = "atlas"
SUBMIT = """#!/bin/bash
# A machine of its own: its folder holds the job's script and nothing else.
folder=$(mktemp -d {folder}/XXXXXX)
cp "$1" "$folder/job.sh"
cd "$folder"
( bash job.sh > said 2>&1; echo $? > status ) > /dev/null 2>&1 < /dev/null &
echo "$folder"
"""
STATUS = """#!/bin/bash
if [ ! -f "$1/status" ]; then echo running; elif [ "$(cat "$1/status")" = 0 ]; then echo success; else echo failed; fi
"""


@pytest.fixture
def storage():
    """An emulation of S3 with an empty bucket: the variables that lead to it, and its client."""
    clouds.use()
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    told = {"aws_access_key_id": "drawn", "aws_secret_access_key": "drawn", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=address, **told)
    client.create_bucket(Bucket=BUCKET)
    yield (
        {
            "SNAKEMAKE_STORAGE_S3_ENDPOINT_URL": address,
            "SNAKEMAKE_STORAGE_S3_REGION": "us-east-1",
            "SNAKEMAKE_STORAGE_S3_ACCESS_KEY": "drawn",
            "SNAKEMAKE_STORAGE_S3_SECRET_KEY": "drawn",
        },
        client,
    )
    server.stop()


def on_a_volume(clone, folder):
    """The study's store, scratch and data by absolute paths, as on a volume that all machines mount."""
    (clone.folder / "store").rename(folder / "store")
    shutil.copytree(
        clone.folder / "data", folder / "data"
    )  # files under version control travel with the sources
    (folder / "scratch").mkdir(exist_ok=True)
    clone.change(
        lambda study: study.update(
            store=str(folder / "store"), scratch=str(folder / "scratch"), data_root=str(folder / "data")
        )
    )


def surroundings(clone, storage):
    return {"PYTHONPATH": f"{clone.folder}/src:{PLUGINS}:{clouds.site()}"} | storage


def program(path, text):
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def objects(client):
    return [each["Key"] for each in client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def test_a_job_on_a_machine_of_its_own_gets_its_sources_and_leaves_its_mark_in_a_bucket(
    done, storage, tmp_path
):
    variables, client = storage
    on_a_volume(done, tmp_path)
    name = transfer("meadow", "harbour").removeprefix("transfer ")
    (record,) = (tmp_path / "store/transfers").glob(f"{name}/*/run.json")
    record.unlink()
    machines = tmp_path / "machines"
    machines.mkdir()
    arguments = [
        *("--executor", "cluster-generic", "--jobs", "2", "--seconds-between-status-checks", "1"),
        *("--cluster-generic-submit-cmd", program(tmp_path / "submit", SUBMIT.format(folder=machines))),
        *("--cluster-generic-status-cmd", program(tmp_path / "status", STATUS)),
        *("--shared-fs-usage", "none", "--job-deploy-sources"),
        *("--default-storage-provider", "s3", "--default-storage-prefix", f"s3://{BUCKET}/tiny"),
    ]
    call = done.snakemake("transfers", *arguments, **surroundings(done, variables), timeout=900)
    assert call.status == 0, call.said + "".join(path.read_text() for path in machines.glob("*/said"))
    assert record.exists() and len(list(machines.iterdir())) == 1
    marks = [key for key in objects(client) if "/transfer_atlas/" in key]
    assert marks == [f"tiny/.snakemake/transfer_atlas/transfer/{name}/{record.parent.name}"]
    left = done.folder / ".snakemake/transfer_atlas/transfer" / name
    assert not left.exists() or not list(left.iterdir()), "the mark is in the bucket alone"
    again = done.snakemake("transfers", *arguments, **surroundings(done, variables), timeout=600)
    assert "Nothing to be done" in again.said, again.said


def test_a_job_of_the_kubernetes_profile_is_what_kubernetes_takes(done, storage, tmp_path):
    variables, _ = storage
    on_a_volume(done, tmp_path)
    done.change(
        lambda study: study["datasets"]["meadow"]["tasks"].update(segmentation={"training": {"steps": 3}})
    )
    with kubernetes(tmp_path) as (configuration, sent):
        call = done.snakemake(
            *("sources", "--profile", "profiles/kubernetes", "--retries", "0", "--default-storage-prefix"),
            *(f"s3://{BUCKET}/tiny", "--seconds-between-status-checks", "1"),
            **surroundings(done, variables) | {"KUBECONFIG": str(configuration)},
            timeout=600,
        )
    assert call.status == 1  # the server says that the job has failed
    jobs = [each for each in sent if each.get("kind") == "Job" or "template" in each.get("spec", {})]
    assert len(jobs) == 1, call.said
    job = {"apiVersion": "batch/v1", "kind": "Job"} | jobs[0]
    clouds.use()
    import kubernetes_validate

    kubernetes_validate.validate(job, "1.31", strict=True)
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert container["resources"]["limits"]["cpu"] == "1000m"  # the tests' Snakemake has one core
    assert {each["mountPath"] for each in container["volumeMounts"]} == {"/workdir", "/atlas"}
    assert "--deploy-sources s3://atlas/tiny" in container["args"][-1]
    secret = next(each for each in sent if each.get("type") == "Opaque")
    assert {"snakemake_storage_s3_access_key"} <= set(secret["data"])


def test_the_google_batch_profile_plans_the_study(begun, storage):
    variables, _ = storage
    call = begun.snakemake(
        *(
            "--dry-run",
            "--profile",
            "profiles/google-batch",
            "--default-storage-prefix",
            f"s3://{BUCKET}/tiny",
        ),
        *("--storage-s3-endpoint-url", variables["SNAKEMAKE_STORAGE_S3_ENDPOINT_URL"]),
        **surroundings(begun, variables),
        timeout=600,
    )
    assert call.status == 0, call.said
    assert call.jobs == ALL_RUNS | TABLES_AND_FIGURES
