#!/usr/bin/env python3
"""Says of a Job of Kubernetes whether it is running, success or failed, as the executor cluster-generic asks it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any


def verdict(job: dict[str, Any]) -> str:
    """What the conditions of a Job tell."""
    for condition in job.get("status", {}).get("conditions") or []:
        if condition.get("status") == "True" and condition.get("type") in ("Complete", "Failed"):
            return "success" if condition["type"] == "Complete" else "failed"
    return "running"


def main(name: str) -> int:
    """Print the verdict; a Job that is gone has failed, an unreachable cluster says nothing of it."""
    asked = subprocess.run(["kubectl", "get", "job", name, "-o", "json"], capture_output=True, text=True)
    if asked.returncode:
        print("failed" if "NotFound" in asked.stderr else "running")
    else:
        print(verdict(json.loads(asked.stdout)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
