"""What a run.json says besides settings and metrics: with what, where, how long, how much memory."""

from __future__ import annotations

import functools
import os
import platform
import resource
import socket
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "torchvision", "timm", "numpy", "pyarrow", "safetensors", "accelerate")


@functools.cache
def git_commit() -> str | None:
    """Commit of the source tree, `-dirty` if it has uncommitted changes; None outside a checkout."""
    here = Path(__file__).resolve().parents[1]  # the whole library
    try:
        ask = functools.partial(subprocess.run, cwd=here, capture_output=True, text=True, timeout=20)
        commit = ask(["git", "rev-parse", "HEAD"])
        if commit.returncode:
            return None
        changed = ask(["git", "status", "--porcelain", "--untracked-files=no", "--", "."])
        return commit.stdout.strip() + ("-dirty" if changed.stdout.strip() else "")
    except (OSError, subprocess.TimeoutExpired):
        return None


def visible_gpus() -> list[str] | None:
    """The GPUs that this process was given, by the machine's workflow or a scheduler; None if nobody said which."""
    told = os.environ.get("CUDA_VISIBLE_DEVICES")
    return None if told is None else [name for name in told.split(",") if name]


def surroundings() -> dict[str, Any]:
    """Time, commit, versions of packages, machine and device, and the peak memory of this process so far."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    device, device_bytes = f"cpu ({platform.machine()})", None
    torch = sys.modules.get("torch")  # a run that needed no torch does not pay for importing it here
    if torch is not None and torch.cuda.is_initialized():
        device, device_bytes = torch.cuda.get_device_name(), torch.cuda.max_memory_allocated()
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "git_commit": git_commit(),
        "packages": versions,
        "python": platform.python_version(),
        "device": device,
        "gpus": visible_gpus(),
        "node": socket.gethostname(),
        "threads": torch.get_num_threads() if torch is not None else 1,
        "peak_memory_host_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "peak_memory_device_bytes": device_bytes,
    }
