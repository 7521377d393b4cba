"""State of an unfinished run on a machine's own disk, copied to a folder that other machines see as well.

Every file of a run's state is written in one step and tells by itself how far it goes, so files can be copied one by
one, and any of them may be older than another. What a run leaves for the end (`output`) is made anew and not copied.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

EVERY = 30.0  # seconds between two copies
NOT_COPIED = "output"
LAST = "rate-"  # says that a learning rate is done, with files beside it: these go first


@contextlib.contextmanager
def copied_state(scratch: Path, copy: Path | None, every: float = EVERY) -> Iterator[None]:
    """Take up the state in `copy`, keep it up to date while this lasts, and once more at the end, however it ends.

    Where `scratch` is gone at the end, for the run is finished, so is the copy. Nothing happens where `copy` is None.
    """
    if copy is None:
        yield
        return
    copy_newer(copy, scratch)
    over = threading.Event()

    def keep() -> None:
        while not over.wait(every):
            with contextlib.suppress(OSError):  # a full disk or a hiccup: the next copy may come through
                copy_newer(scratch, copy)

    keeper = threading.Thread(target=keep, daemon=True)
    keeper.start()
    try:
        yield
    finally:
        over.set()
        keeper.join()
        if scratch.exists():
            copy_newer(scratch, copy)
        else:
            shutil.rmtree(copy, ignore_errors=True)


def copy_newer(source: Path, target: Path) -> None:
    """Copy those files below a folder that are missing in another, or older there, each in one step."""
    found = [path for path in source.rglob("*") if path.is_file() and not path.name.startswith(".")]
    found = [path for path in found if path.relative_to(source).parts[0] != NOT_COPIED]
    for path in sorted(found, key=lambda each: (each.name.startswith(LAST), each)):
        there = target / path.relative_to(source)
        with contextlib.suppress(FileNotFoundError):  # replaced or removed while it was looked at
            if there.exists() and there.stat().st_mtime_ns >= path.stat().st_mtime_ns:
                continue
            there.parent.mkdir(parents=True, exist_ok=True)
            part = there.with_name(f".{there.name}.{os.getpid()}.part")
            try:
                shutil.copy2(path, part)
                part.replace(there)
            finally:
                part.unlink(missing_ok=True)
