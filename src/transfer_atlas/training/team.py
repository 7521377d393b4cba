"""Several processes that train one model together, each on its share of every batch: data parallelism.

The process that carries out a run leads. For each fit it starts helpers, which carry out the same request up to that
fit and join it there; when the fit ends, so do they. Batches, losses, batch statistics and updates are those of one
process, up to the order in which numbers are added: what a batch is divided by is counted over the whole batch, batch
normalisation sees the whole batch, gradients are summed before each update. Alone, nothing of this happens.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, nn

from transfer_atlas.errors import AtlasError, ConfigurationError
from transfer_atlas.training.device import device_count, environment_of, group_backend
from transfer_atlas.training.settings import TrainingSettings

PATIENCE = timedelta(minutes=30)  # of a process that waits for the others, as while a large state is saved
GRACE = 20.0  # seconds in which a leader sees by itself that a helper has ended, before it is ended too


class HelperEndedError(AtlasError):
    """A process that trained with this one has ended."""


class FitEnded(Exception):
    """The fit that a helper was started for is over: what follows is the leader's."""


@dataclass(frozen=True)
class Team:
    """The processes of a fit as one of them sees them: how many, and which it is; the one of rank 0 leads."""

    size: int = 1
    rank: int = 0
    store: Any = field(default=None, compare=False)  # what the processes tell one another

    @property
    def leads(self) -> bool:
        """Whether this process writes and tells."""
        return self.rank == 0

    def places(self, batch_size: int, parts: int) -> np.ndarray | None:
        """Places in a batch that are this process's share: of each part its own piece. None where it has all."""
        if self.size == 1:
            return None
        return np.arange(batch_size).reshape(parts, self.size, -1)[:, self.rank].ravel()

    def whole(self, targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """The targets of all processes, one after another; only their order differs from the batch's."""
        if self.size == 1:
            return targets
        return {name: torch.cat(self.gathered(values)) for name, values in targets.items()}

    def gathered(self, values: Tensor) -> list[Tensor]:
        """The values of each process, in the order of their ranks."""
        sent = values.contiguous()
        if sent.dtype == torch.bool:  # not all backends carry it
            return [found.bool() for found in self.gathered(sent.to(torch.uint8))]
        found = [torch.empty_like(sent) for _ in range(self.size)]
        distributed.all_gather(found, sent)
        return found

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        if self.size > 1:
            distributed.all_reduce(values)
        return values

    def sum_gradients(self, model: nn.Module, loss: Tensor) -> Tensor:
        """Sum the gradients of all weights over the processes, and the loss, which is returned."""
        if self.size == 1:
            return loss
        gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
        flat = torch.cat([loss.reshape(1).float(), *(each.reshape(-1) for each in gradients)])
        distributed.all_reduce(flat)
        total, *summed = flat.split([1, *(each.numel() for each in gradients)])
        for gradient, values in zip(gradients, summed, strict=True):
            gradient.copy_(values.view_as(gradient))
        return total[0]

    def agree(self, model: nn.Module) -> None:
        """Weights and buffers of the leader for all: they were drawn from one seed, perhaps on unlike devices."""
        if self.size > 1:
            for values in [*model.parameters(), *model.buffers()]:
                distributed.broadcast(values.detach(), src=0)

    def told_by_leader(self, name: str, text: str) -> str:
        """What the leader says: `text`, in the leader; the others wait for it."""
        if self.size == 1:
            return text
        if self.leads:
            self.store.set(name, text)
        return self.store.get(name).decode()


ALONE = Team()


@dataclass(frozen=True)
class Plan:
    """What a process knows of the team before a fit: the run's request, and for a helper where to join."""

    request: dict[str, Any]
    size: int
    rank: int = 0
    meeting: str | None = None


_plan: ContextVar[Plan | None] = ContextVar("plan", default=None)


@contextlib.contextmanager
def planned(plan: Plan) -> Iterator[None]:
    """While this lasts, fits are shared by a team."""
    token = _plan.set(plan)
    try:
        yield
    finally:
        _plan.reset(token)


def processes_for(gpus: int) -> int:
    """How many processes share a fit: one for each GPU that the run was given, as far as there are any."""
    return max(1, min(gpus, device_count())) if gpus > 1 else 1


@contextlib.contextmanager
def joined(settings: TrainingSettings, learning_rate: float, device: torch.device) -> Iterator[Team]:
    """The team of a fit, while it lasts. Raises ConfigurationError where a batch cannot be shared out evenly."""
    plan = _plan.get()
    if plan is None or plan.size == 1:
        yield ALONE
        return
    require_even_shares(settings, plan.size)
    helpers: list[subprocess.Popen[bytes]] = []
    meeting = plan.meeting or tempfile.mkdtemp(prefix="transfer-atlas-team-")
    watch = threading.Event()
    try:
        if plan.rank == 0:
            helpers = [_start(plan, rank, meeting, learning_rate) for rank in range(1, plan.size)]
            threading.Thread(target=_watch, args=(helpers, watch), daemon=True).start()
        store = distributed.FileStore(f"{meeting}/store", plan.size)
        if sys.platform == "linux":
            os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # all are on this machine
        distributed.init_process_group(
            group_backend(device),
            store=store,
            rank=plan.rank,
            world_size=plan.size,
            timeout=PATIENCE,
        )
        yield Team(plan.size, plan.rank, store)
    except RuntimeError as error:
        ended = [each.returncode for each in helpers if each.poll() not in (None, 0)]
        if not ended:
            raise
        raise HelperEndedError(
            f"a process that trained with this one has ended (exit status {ended[0]}): the log says why, if it was "
            "not ended from outside. The run continues from its last saved state when snakemake is called again."
        ) from error
    finally:
        watch.set()
        if distributed.is_initialized():
            distributed.destroy_process_group()
        for helper in helpers:
            _end(helper)
        if plan.rank == 0:
            shutil.rmtree(meeting, ignore_errors=True)


def require_even_shares(settings: TrainingSettings, size: int) -> None:
    """Raise ConfigurationError where `size` processes cannot train with some settings as one does."""
    if settings.batch_size % (settings.accumulation * size):
        raise ConfigurationError(
            f"a batch of {settings.batch_size} in {settings.accumulation} parts cannot be shared out evenly to {size} "
            "GPUs; give the run fewer (--set-resources RULE:gpu=...), or change `accumulation` in `training`."
        )
    if settings.compile:
        raise ConfigurationError(
            f"`compile` is for one GPU, and the run was given {size}; choose one: `compile: false` in `training`, or "
            "--set-resources RULE:gpu=1."
        )


def _start(plan: Plan, rank: int, meeting: str, learning_rate: float) -> subprocess.Popen[bytes]:
    """Start a helper. Its standard input stays open as long as the fit lasts: it ends with it."""
    told = {
        "request": plan.request,
        "size": plan.size,
        "rank": rank,
        "meeting": meeting,
        "learning_rate": learning_rate,
        "threads": max(1, torch.get_num_threads() // plan.size),
    }
    helper = subprocess.Popen(
        [sys.executable, "-m", "transfer_atlas.training.helper"],
        stdin=subprocess.PIPE,
        stdout=sys.stderr.fileno() if _has_file(sys.stderr) else None,
        env=os.environ | environment_of(rank),
    )
    assert helper.stdin is not None
    helper.stdin.write(json.dumps(told).encode() + b"\n")
    helper.stdin.flush()
    return helper


def _has_file(stream: Any) -> bool:
    try:
        stream.fileno()
    except (OSError, ValueError, AttributeError):
        return False
    return True


def _watch(helpers: list[subprocess.Popen[bytes]], over: threading.Event) -> None:
    """End this process if a helper has ended and the fit goes on: on a GPU it would wait for it for half an hour."""
    while not over.wait(1.0):
        if any(helper.poll() not in (None, 0) for helper in helpers):
            if not over.wait(GRACE):
                print(
                    "a process that trained with this one has ended; so does this one",
                    file=sys.stderr,
                    flush=True,
                )
                os._exit(1)
            return


def _end(helper: subprocess.Popen[bytes]) -> None:
    assert helper.stdin is not None
    with contextlib.suppress(OSError):
        helper.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        helper.wait(GRACE)
        return
    helper.kill()
    helper.wait()


def lead(request: dict[str, Any], size: int) -> contextlib.AbstractContextManager[None]:
    """While this lasts, the fits of a run are shared by this process and `size` - 1 helpers."""
    return planned(Plan(request, size))


def end_with(stream: Any) -> None:
    """End this process when the other end of `stream` is closed, which is when its leader's fit or process ends."""

    def watch() -> None:
        stream.read()
        time.sleep(0.1)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def scratch_folder() -> Path:
    """A folder for what a helper leaves behind, which nobody reads."""
    return Path(tempfile.mkdtemp(prefix="transfer-atlas-helper-"))
