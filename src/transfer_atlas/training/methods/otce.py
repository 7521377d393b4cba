"""OTCE-guided fine-tuning: the source's backbone is trained to lower the task difference, then fine-tuned as ever.

Step 1 of the talk (Tan, Li and Huang 2021; "OTCE-based finetune"): with features of a batch of source and one of target
images under the same backbone, W_T = H(Y_t | Y_s) under their entropic coupling is minimised with respect to it. The
coupling is solved for anew in every step and differentiated by the implicit function theorem. Step 2 is plain
fine-tuning from what step 1 leaves.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.errors import CheckpointError, LegitimateFailure
from transfer_atlas.models.backbone import STRIDE, Backbone, join_branches
from transfer_atlas.models.checkpoints import load_checkpoint, save_checkpoint
from transfer_atlas.models.expected_input import whitening
from transfer_atlas.tasks.registry import TASK_TYPES
from transfer_atlas.training.batches import Batches
from transfer_atlas.training.finite import require_finite_weights
from transfer_atlas.training.geometry import complete_images
from transfer_atlas.training.methods.settings import OtceSettings
from transfer_atlas.training.requested import open_dataset
from transfer_atlas.training.selection import selected_images
from transfer_atlas.training.settings import TrainingSettings
from transfer_atlas.transferability.arrays import MetricInputError, UnconvergedError
from transfer_atlas.transferability.otce import otce
from transfer_atlas.transferability.transport.differentiable import task_difference

LOOK_EVERY = 10  # steps between values of the curve
STATE_FILE = "guided.safetensors"
MANY_UNUSABLE = 0.5  # share of steps without a usable batch that leaves nothing to be called guided
SCORED_IMAGES = 200  # of either side in the score before and after
CLASSES = ("segmentation", "classification")  # task types whose samples have classes

Watch = Callable[[int, float], None]
Samples = tuple[Tensor, Tensor]  # features (n, d) and classes (n,) int64


def guided_start(
    request: Mapping[str, Any],
    backbone: Backbone,
    dataset: PreparedDataset,
    indices: np.ndarray,
    training: TrainingSettings,
    *,
    accelerator: Accelerator,
    scratch: Path,
    watch: Watch,
) -> tuple[Backbone, dict[str, Any]]:
    """The backbone after step 1, and what is to be known of it: `score_before`, `score_after` (OTCE, higher is better),
    `difference_before`, `difference_after` (W_T as it is minimised), `curve`, `unusable_steps`.

    request: of the transfer, whose settings hold `guidance` (`OtceSettings`) and whose parents hold `source_dataset`.
    dataset, indices: of the target. State lies in `scratch`; whoever is interrupted continues, to the same result.
    Raises LegitimateFailure("no_source_data") for a source without labelled data at hand, ("unconverged") where too few
    batches have a coupling, ("one_class") where too few have two classes, ("diverged").
    """
    settings = request["settings"]
    if "source_dataset" not in request["parents"]:
        raise LegitimateFailure("no_source_data", settings["no_guidance"])
    chosen = OtceSettings.from_hashed(settings["guidance"])
    source = open_dataset(dict(request), "source_dataset", share=2)
    sides = (
        _Side(
            source,
            settings["source_task_type"],
            selected_images(source, settings["source_limits"]),
            training,
            chosen,
        ),
        _Side(dataset, settings["task_type"], indices, training, chosen),
    )
    device, seed = accelerator.device, settings["seed"]
    backbone.to(device)
    before = scores_of(backbone, sides, chosen, device, seed)
    curve, unusable = _guide(backbone, sides, chosen, device, seed, scratch / STATE_FILE, watch)
    after = scores_of(backbone, sides, chosen, device, seed)
    told = {
        f"{name}_{when}": found[name]
        for when, found in (("before", before), ("after", after))
        for name in found
    }
    return backbone, told | {"curve": curve, "unusable_steps": unusable}


class _Side:
    """Images of the source or of the target, as batches and as complete images."""

    def __init__(
        self,
        dataset: PreparedDataset,
        task_type: str,
        indices: np.ndarray,
        training: TrainingSettings,
        settings: OtceSettings,
    ) -> None:
        if not len(indices):
            raise LegitimateFailure("no_training_images", f"{dataset.folder}: there is no training image")
        self.dataset, self.task, self.indices = dataset, TASK_TYPES[task_type], indices
        small = training.model_copy(
            update={"batch_size": min(settings.batch_size, len(indices)), "accumulation": 1}
        )
        self.training = small

    def batches(self, seed: int) -> Batches:
        return Batches(self.dataset, self.task, self.indices, self.training, seed)

    def whitened(self, images: Tensor) -> Tensor:
        description = self.dataset.description
        mean, std = whitening(self.training.statistics, description.mean, description.std)
        shape = (1, 3, 1, 1)
        centre = torch.tensor(mean, device=images.device).view(shape)
        return (images.float() - centre) / torch.tensor(std, device=images.device).clamp(min=1.0).view(shape)

    @property
    def classes(self) -> int:
        return len(getattr(self.dataset.description, self.task.name).classes)

    @property
    def of_pixels(self) -> bool:
        return self.task.name == "segmentation"


def _guide(
    backbone: Backbone,
    sides: tuple[_Side, _Side],
    settings: OtceSettings,
    device: torch.device,
    seed: int,
    state: Path,
    watch: Watch,
) -> tuple[list[tuple[int, float]], int]:
    """Train the backbone in place. Returns the curve (step, mean W_T since the step before), and steps without one.

    Batch normalisation keeps the source's statistics: with two small batches of other domains in turn they would be of
    neither, and the gradient is to be that of what is scored.
    """
    backbone.eval()
    optimizer = torch.optim.Adam(backbone.parameters(), lr=settings.learning_rate)
    first, kept = _resume(state, backbone, optimizer)
    curve, unusable, reasons = kept["curve"], kept["unusable"], kept["reasons"]
    batches = [side.batches(seed + number)(first, settings.steps) for number, side in enumerate(sides)]
    losses, saved = list(kept["losses"]), time.monotonic()
    save_every = float(os.environ.get("TRANSFER_ATLAS_SAVE_SECONDS", 60.0))
    for number, pair in enumerate(zip(*batches, strict=True), start=first):
        generator = np.random.default_rng([seed, number, 4])
        try:
            loss = _loss(backbone, sides, pair, settings, device, generator)
        except (UnconvergedError, MetricInputError, _OneClass) as problem:
            if isinstance(problem, MetricInputError) and "not finite" in str(problem):
                raise LegitimateFailure(
                    "diverged", f"the features were not finite at step {number} of the guidance"
                ) from None
            unusable += 1
            reasons[_status(problem)] = str(problem)
        else:
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        done = number + 1
        if (done % LOOK_EVERY == 0 or done == settings.steps) and losses:
            mean = sum(losses) / len(losses)
            if not math.isfinite(mean):
                raise LegitimateFailure("diverged", f"W_T was {mean} at step {done} of the guidance")
            curve.append((done, mean))
            losses = []
            watch(done, mean)
        if time.monotonic() - saved > save_every and done < settings.steps:
            _save(state, backbone, optimizer, done, curve, unusable, reasons, losses)
            saved = time.monotonic()
    if unusable > MANY_UNUSABLE * settings.steps:
        status, reason = next(iter(sorted(reasons.items())))
        raise LegitimateFailure(
            status, f"{unusable} of {settings.steps} steps of the guidance had no usable batch: {reason}"
        )
    require_finite_weights(backbone)
    return curve, unusable


class _OneClass(Exception):
    """A batch of the target has a single class: W_T is 0 whatever the features."""


def _status(problem: Exception) -> str:
    return "one_class" if isinstance(problem, _OneClass) else "unconverged"


def _loss(
    backbone: Backbone,
    sides: tuple[_Side, _Side],
    pair: tuple[Any, Any],
    settings: OtceSettings,
    device: torch.device,
    generator: np.random.Generator,
) -> Tensor:
    """W_T of a batch of the source and one of the target."""
    samples = [
        _batch_samples(backbone, side, images.to(device), targets, settings.samples, generator)
        for side, (images, targets) in zip(sides, pair, strict=True)
    ]
    (features, labels), (others, classes) = samples
    if len(torch.unique(classes)) < 2:
        raise _OneClass("the target's batch holds a single class")
    return task_difference(features, labels, others, classes, epsilon=settings.epsilon)


def _batch_samples(
    backbone: Backbone,
    side: _Side,
    images: Tensor,
    targets: Mapping[str, Tensor],
    number: int,
    generator: np.random.Generator,
) -> Samples:
    """Features and classes of a batch: of its images, or of some pixels at the cells of the map."""
    branches = backbone.branches(side.whitened(images))
    if not side.of_pixels:
        return pooled(branches)[:number], targets["label"][:number].to(images.device)
    size = (images.shape[2] // STRIDE, images.shape[3] // STRIDE)
    maps = join_branches(branches, size)  # (B, d, h, w)
    cells = targets["mask"][:, STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE].to(images.device).long()
    return _some_cells(maps, cells, side.classes, number, generator)


def _some_cells(
    maps: Tensor, cells: Tensor, classes: int, number: int, generator: np.random.Generator
) -> Samples:
    """At most `number` annotated cells of maps (B, d, h, w) with classes (B, h, w), balanced over classes."""
    flat = cells.flatten()
    known = torch.nonzero(flat < classes)[:, 0].cpu().numpy()
    if not len(known):
        raise _OneClass("no pixel of the batch is annotated")
    labels = flat.cpu().numpy()[known]
    if len(known) > number:
        weights = 1 / np.bincount(labels)[labels]
        keys = generator.exponential(size=len(known)) / weights  # Efraimidis and Spirakis 2006
        chosen = np.sort(np.argpartition(keys, number)[:number])
        known, labels = known[chosen], labels[chosen]
    places = torch.from_numpy(known).to(maps.device)
    features = maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])[places]
    return features, torch.from_numpy(labels.astype(np.int64)).to(maps.device)


def pooled(branches: list[Tensor]) -> Tensor:
    """One feature vector per image, the mean of each branch over the image: (B, sum C_i)."""
    return torch.cat([branch.float().mean(dim=(2, 3)) for branch in branches], dim=1)


@torch.no_grad()
def scores_of(
    backbone: Backbone,
    sides: tuple[_Side, _Side],
    settings: OtceSettings,
    device: torch.device,
    seed: int,
) -> dict[str, float | None]:
    """`score`: OTCE (-W_T at the papers' epsilon), and `difference`: W_T as it is minimised, on complete images.

    The same samples before and after; None where a coupling does not converge.
    """
    backbone.eval()
    (features, labels), (others, classes) = (
        _complete_samples(backbone, side, settings.samples, device, seed) for side in sides
    )
    found: dict[str, float | None] = {"score": None, "difference": None}
    arrays = [each.cpu().numpy() for each in (features, labels, others, classes)]
    for name, value in (
        ("score", lambda: otce(*arrays).score),
        (
            "difference",
            lambda: float(task_difference(features, labels, others, classes, epsilon=settings.epsilon)),
        ),
    ):
        try:
            found[name] = value()
        except (MetricInputError, UnconvergedError):
            continue  # a score that is not defined is no reason not to train
    return found


def _complete_samples(
    backbone: nn.Module, side: _Side, number: int, device: torch.device, seed: int
) -> Samples:
    """Samples of complete images of a side, the same whatever the backbone."""
    generator = np.random.default_rng([seed, 5])
    picked = side.indices
    if len(picked) > SCORED_IMAGES:
        picked = np.sort(generator.choice(picked, SCORED_IMAGES, replace=False))
    rows, labels = [], []
    for start in range(0, len(picked), 16):
        samples = side.dataset.read("train", picked[start : start + 16].tolist(), side.task.name)
        for places, inputs, extents in complete_images(
            samples, side.training.resolution, side.dataset.description.mean
        ):
            branches = backbone.branches(side.whitened(inputs.to(device)))
            size = (inputs.shape[2] // STRIDE, inputs.shape[3] // STRIDE)
            for row, (place, extent) in enumerate(zip(places, extents, strict=True)):
                own = join_branches([branch[row : row + 1] for branch in branches], size)
                height, width = (max(1, length // STRIDE) for length in extent)
                own = own[:, :, :height, :width]
                if not side.of_pixels:
                    rows.append(own.mean(dim=(2, 3)))
                    labels.append(torch.tensor([samples[place].label]))
                    continue
                mask = samples[place].mask.to(torch.int64)[None, None].float()
                cells = nn.functional.interpolate(mask, size=(height, width), mode="nearest")[:, 0].long()
                share = math.ceil(4 * number / len(picked))
                if int((cells < side.classes).sum()):
                    features, classes = _some_cells(own, cells, side.classes, share, generator)
                    rows.append(features)
                    labels.append(classes.cpu())
    if not rows:
        raise LegitimateFailure(
            "no_samples", f"none of {len(picked)} images of {side.dataset.folder} is annotated"
        )
    features, classes = torch.cat(rows), torch.cat(labels).to(device)
    if len(classes) > number:
        chosen = np.sort(generator.choice(len(classes), number, replace=False))
        features, classes = features[chosen], classes[chosen]
    return features, classes


def _save(
    path: Path,
    backbone: nn.Module,
    optimizer: torch.optim.Optimizer,
    done: int,
    curve: list[Any],
    unusable: int,
    reasons: Mapping[str, str],
    losses: list[float],
) -> None:
    tensors = {f"model.{name}": tensor for name, tensor in backbone.state_dict().items()}
    for index, buffers in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in buffers.items()}
    about = {"done": done, "curve": curve, "unusable": unusable, "reasons": dict(reasons), "losses": losses}
    save_checkpoint(path, tensors, about)


def _resume(path: Path, backbone: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[int, dict[str, Any]]:
    """Take up the state that `_save` left, if there is one that can be read."""
    fresh: dict[str, Any] = {"curve": [], "unusable": 0, "reasons": {}, "losses": []}
    if not path.exists():
        return 0, fresh
    try:
        tensors, about = load_checkpoint(path)
    except CheckpointError:
        path.unlink()  # it costs time, not correctness
        return 0, fresh
    prefix = "model."
    backbone.load_state_dict(
        {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    )
    buffers: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, index, buffer = name.split(".")
            buffers.setdefault(int(index), {})[buffer] = value
    optimizer.load_state_dict({"state": buffers, "param_groups": optimizer.state_dict()["param_groups"]})
    return about["done"], {name: about[name] for name in fresh}
