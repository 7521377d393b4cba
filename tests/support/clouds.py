"""Executors and storage of clouds, in a folder of their own: in everybody's environment they would slow each start."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
LOCKS = [REPOSITORY / "envs/clouds.lock", REPOSITORY / "envs/cloud_checks.lock"]


@functools.cache
def site() -> Path:
    """The folder with the locked packages, installed at first use; a test is skipped where no index can be reached."""
    content = hashlib.sha256(b"".join(path.read_bytes() for path in LOCKS)).hexdigest()[:12]
    folder = Path(sys.prefix) / f"clouds-{content}"
    if not folder.exists():
        uv = Path(sys.executable).with_name("uv")
        part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
        requirements = [argument for path in LOCKS for argument in ("-r", path)]
        call = [uv, "pip", "install", "--quiet", "--python", sys.executable, "--target", part]
        done = subprocess.run(
            [*call, "--no-deps", "--require-hashes", *requirements], capture_output=True, text=True
        )
        if done.returncode:
            shutil.rmtree(part)
            pytest.skip(f"the packages of envs/clouds.lock cannot be had here: {done.stderr.strip()[-300:]}")
        if not folder.exists():
            part.rename(folder)
    return folder


def environment(**more: str) -> dict[str, str]:
    """Variables with which a Python finds the packages, after those of the checkout."""
    paths = [os.environ.get("PYTHONPATH", ""), str(site())]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))} | more


@functools.cache
def use() -> None:
    """Let this process find the packages, after all others."""
    sys.path.append(str(site()))
