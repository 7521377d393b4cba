"""Which GPU a run computes on, where no scheduler says so: devices of one machine, lent by locks that die with a run.

The workflow lists the devices (`listed`), each job takes those that it needs (`lent`) and shows only these to its run.
A loan is a lock of the kernel on a file (flock), which ends when the last process that holds it ends, however it ends:
there is nothing to give back, and nothing to clear up after a kill. Several workflows of a machine, and several users,
share the same files.

    <folder>/<device>            shared while runs share the device, exclusive while one has it alone
    <folder>/<device>.<number>   exclusive: one of the places of a shared device
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from transfer_atlas.errors import AtlasError

DEVICES_VARIABLE = "TRANSFER_ATLAS_DEVICES"  # all that runs of this workflow may use, separated by commas
SHARING_VARIABLE = "TRANSFER_ATLAS_RUNS_PER_GPU"  # how many runs share a device
FOLDER_VARIABLE = "TRANSFER_ATLAS_DEVICE_LOCKS"  # where the locks are, if not in the temporary folder
VISIBLE_VARIABLE = "CUDA_VISIBLE_DEVICES"
POLL = 0.5  # seconds between two looks for a free device

LISTED = re.compile(
    r"^(?P<indent>\s*)(?:GPU \d+|MIG .*?Device\s+\d+): .*\(UUID: (?P<id>[A-Za-z0-9/-]+)\)\s*$"
)


class DeviceError(AtlasError):
    """A run asks for devices that this machine does not have."""


def listed(environment: Mapping[str, str] = os.environ, listing: str | None = None) -> list[str]:
    """Devices that runs of this machine may use, as names that CUDA understands; none where there is no GPU.

    Those that the user names in TRANSFER_ATLAS_DEVICES or CUDA_VISIBLE_DEVICES (by UUID, or by the numbers that
    nvidia-smi shows), else all that nvidia-smi lists; the parts of a divided GPU (MIG) count each.
    listing: what `nvidia-smi -L` says, instead of asking it.
    """
    for variable in (DEVICES_VARIABLE, VISIBLE_VARIABLE):
        if variable in environment:
            named = [name.strip() for name in environment[variable].split(",")]
            named = named[: named.index("-1")] if "-1" in named else named  # as CUDA reads it
            break
    else:
        named = None
    if named is not None and not any(named):
        return []
    gpus, parts = _parsed(_listing() if listing is None else listing)
    if named is None:
        return parts
    return list(dict.fromkeys(_full_name(name, gpus) for name in named if name))


def _full_name(name: str, gpus: Sequence[str]) -> str:
    """The UUID of a device that a user names by number or by the beginning of its UUID; else the name as it is."""
    if name.isdecimal():
        return gpus[int(name)] if int(name) < len(gpus) else name
    begun = [gpu for gpu in gpus if gpu.startswith(name)]
    return begun[0] if len(begun) == 1 else name


def _parsed(listing: str) -> tuple[list[str], list[str]]:
    """UUIDs of all GPUs, and of what runs can use: the GPUs that are not divided, and the parts of those that are."""
    gpus: list[str] = []
    usable: list[list[str]] = []
    for match in filter(None, map(LISTED.match, listing.splitlines())):
        if not match["indent"]:
            gpus.append(match["id"])
            usable.append([])
        elif usable:
            usable[-1].append(match["id"])
    return gpus, [each for gpu, parts in zip(gpus, usable, strict=True) for each in parts or [gpu]]


def _listing() -> str:
    try:
        asked = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout if asked.returncode == 0 else ""


@dataclass(frozen=True)
class Loan:
    """Devices that a run may use, and open files that hold them: to be inherited by whatever computes the run.

    devices: None where nobody lends any (no GPU here, or a scheduler does it): then nothing is shown or hidden.
    """

    devices: tuple[str, ...] | None
    files: tuple[int, ...] = ()

    def environment(self) -> dict[str, str]:
        """Variables that show a run its devices and no others."""
        return {} if self.devices is None else {VISIBLE_VARIABLE: ",".join(self.devices)}


@contextlib.contextmanager
def lent(
    count: int,
    environment: Mapping[str, str] = os.environ,
    *,
    waiting: Callable[[int], None] = lambda devices: None,
) -> Iterator[Loan]:
    """Lend `count` devices for as long as this lasts, waiting until as many are free.

    waiting: told once, with the number of devices there are, if it must be waited. Raises DeviceError where there are
    not as many.
    """
    devices = [name for name in environment.get(DEVICES_VARIABLE, "").split(",") if name]
    if not devices:
        yield Loan(None)
        return
    if count > len(devices):
        raise DeviceError(
            f"the run asks for {count} GPUs, and there are {len(devices)} for this workflow ({', '.join(devices)}). "
            f"Ask for fewer: --set-resources RULE:gpu={len(devices)}"
        )
    places = max(1, int(environment.get(SHARING_VARIABLE, "1")))
    told = False
    while (taken := _taken(devices, count, places, _folder(environment))) is None:
        if not told:
            waiting(len(devices))
            told = True
        time.sleep(POLL)
    try:
        yield taken
    finally:
        for file in taken.files:
            os.close(file)


def _taken(devices: Sequence[str], count: int, places: int, folder: Path) -> Loan | None:
    """As many devices as asked for, if they are free now; one of the places of a device where runs share them.

    Runs that use several devices, or none with others, have theirs alone. Places are filled so that a device is shared
    only when each has a run.
    """
    if count == 0:
        return Loan(())
    names, files = [], []
    if places > 1 and count == 1:
        for place in range(places):
            for name in devices:
                device = _locked(folder / _file_name(name), fcntl.LOCK_SH)
                if device is None:
                    continue
                slot = _locked(folder / f"{_file_name(name)}.{place}", fcntl.LOCK_EX)
                if slot is not None:
                    return Loan((name,), (device, slot))
                os.close(device)
        return None
    for name in devices:
        file = _locked(folder / _file_name(name), fcntl.LOCK_EX)
        if file is not None:
            names.append(name)
            files.append(file)
        if len(names) == count:
            return Loan(tuple(names), tuple(files))
    for file in files:  # not enough: keep none, or two runs could wait for one another
        os.close(file)
    return None


def _locked(path: Path, how: int) -> int | None:
    """A file that is held open and locked; None if another holds it."""
    file = _opened(path)
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
        return file
    except BlockingIOError:
        os.close(file)
        return None


def _opened(path: Path) -> int:
    """A lock file, opened for reading: so that a file of another user can be locked as well."""
    options = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    while True:
        try:
            return os.open(path, options)
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):
                return os.open(path, options | os.O_CREAT | os.O_EXCL, 0o644)


def _folder(environment: Mapping[str, str]) -> Path:
    """The folder of the locks, on this machine's own disk, for all its users."""
    told = environment.get(FOLDER_VARIABLE)
    folder = Path(told or f"{tempfile.gettempdir()}/transfer-atlas-devices")
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o1777)
    return folder


def _file_name(device: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]", "_", device)
