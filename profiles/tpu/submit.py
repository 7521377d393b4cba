#!/usr/bin/env python3
"""Submits a job of Snakemake to Kubernetes, on a TPU if it asks for one; prints the name of the Job.

Called by the executor cluster-generic, with the path of the job's script as last argument. --dry prints the Job as YAML
in place of submitting it.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import yaml

SITE = Path(__file__).with_name("site.yaml")
KEPT_SECONDS = 86400  # of a Job that has ended, for its log


def main() -> int:
    """Submit; returns kubectl's exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rule", required=True)
    parser.add_argument("--tpus", type=int, required=True)
    parser.add_argument("--cpus", type=int, required=True)
    parser.add_argument("--memory-mb", type=int, required=True)
    parser.add_argument("--minutes", type=int, required=True)
    parser.add_argument("--dry", action="store_true")
    parser.add_argument("script", type=Path)
    asked = parser.parse_args()
    job = manifest(asked, yaml.safe_load(SITE.read_text(encoding="utf-8")))
    text = yaml.safe_dump(job, sort_keys=False)
    if asked.dry:
        print(text, end="")
        return 0
    done = subprocess.run(["kubectl", "create", "-f", "-"], input=text, text=True, capture_output=True)
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        return done.returncode
    print(job["metadata"]["name"])
    return 0


def manifest(asked: argparse.Namespace, site: dict[str, Any]) -> dict[str, Any]:
    """The Job of Kubernetes that runs a script of Snakemake on the shared volume."""
    name = f"atlas-{asked.rule.replace('_', '-')}-{uuid.uuid4().hex[:8]}"
    resources = {"cpu": str(asked.cpus), "memory": f"{asked.memory_mb}M"}
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "containers": [
            {
                "name": "snakemake",
                "image": site["image"],
                "workingDir": str(Path.cwd()),
                "command": ["/bin/sh", "-c", f"exec /bin/sh {shlex.quote(str(asked.script.resolve()))}"],
                "resources": {"requests": resources, "limits": dict(resources)},
                "volumeMounts": [{"name": "atlas", "mountPath": site["mount_path"]}],
            }
        ],
        "volumes": [{"name": "atlas", "persistentVolumeClaim": {"claimName": site["volume"]}}],
    }
    if asked.tpus:
        for amounts in pod["containers"][0]["resources"].values():
            amounts["google.com/tpu"] = str(asked.tpus)
        pod["nodeSelector"] = {
            "cloud.google.com/gke-tpu-accelerator": site["accelerator"],
            "cloud.google.com/gke-tpu-topology": site["topology"],
        }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": site["namespace"], "labels": {"app": "transfer-atlas"}},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": 60 * asked.minutes,
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "template": {"spec": pod},
        },
    }


if __name__ == "__main__":
    sys.exit(main())
