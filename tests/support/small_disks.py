"""A real file system of a few KiB, for tests of a full disk; needs the right to mount."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A folder on a file system of its own, of `size` as mount writes it ("64k"); skips the test where none can be."""
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("a small file system to fill up cannot be mounted here (not root, or not allowed)")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
