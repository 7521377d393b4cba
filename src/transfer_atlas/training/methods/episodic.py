"""Prototypical and matching networks: a source trained on episodes, a target told by its few labelled images.

Nothing of a target is trained. An image's class is that of the nearest prototype, the mean feature of a class's
labelled images (Snell et al. 2017, equation 2), or is voted for by the labelled images, weighed by a softmax over
cosine similarities (Vinyals et al. 2016, equation 1, without full context embeddings). The features are the backbone's,
averaged over the image.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.errors import LegitimateFailure
from transfer_atlas.models.backbone import Backbone
from transfer_atlas.models.checkpoints import save_checkpoint
from transfer_atlas.models.expected_input import whitening
from transfer_atlas.models.model import Model
from transfer_atlas.process.progress import Progress
from transfer_atlas.store.store import MODEL_FILE
from transfer_atlas.tasks.registry import TASK_TYPES
from transfer_atlas.training.assess import assess
from transfer_atlas.training.device import make_accelerator
from transfer_atlas.training.finite import require_finite_weights
from transfer_atlas.training.geometry import complete_images
from transfer_atlas.training.methods.settings import EpisodeSettings
from transfer_atlas.training.requested import described, need_images, open_dataset, source_images, start
from transfer_atlas.training.selection import selected_images
from transfer_atlas.training.settings import TrainingSettings

SHARPNESS = 10.0  # of matching: cosines in -1 to 1 would leave the softmax all but even
NEVER = -1e30  # a logit that is finite and below all others
LOOK_EVERY = 20


class NearestLabelled(nn.Module):
    """A head without weights: logits (B, K) of the labelled images' features (m, d) with classes (m,) below K."""

    reads_branches = True
    support: Tensor
    classes: Tensor

    def __init__(self, method: str, support: Tensor, classes: Tensor, count: int) -> None:
        super().__init__()
        self.method, self.count = method, count
        self.register_buffer("support", support, persistent=False)
        self.register_buffer("classes", classes, persistent=False)

    def forward(self, branches: list[Tensor]) -> Tensor:
        """Logits (B, K)."""
        return told_by(self.method, self.support, self.classes, features_of(branches), self.count)


def features_of(branches: list[Tensor]) -> Tensor:
    """One vector per image: each branch averaged over the image, (B, sum C_i)."""
    return torch.cat([branch.float().mean(dim=(2, 3)) for branch in branches], dim=1)


def told_by(method: str, support: Tensor, classes: Tensor, queries: Tensor, count: int) -> Tensor:
    """Logits (q, K) of queries (q, d) by labelled features (m, d) of classes (m,); no class without one is highest.

    `prototypical`: minus the squared distance to the class's mean; `matching`: the logarithm of the class's share of a
    softmax over cosine similarities.
    """
    member = F.one_hot(classes, count).to(support.dtype)  # (m, K)
    present = member.sum(dim=0)
    if method == "prototypical":
        prototypes = (member.T @ support) / present.clamp(min=1)[:, None]
        logits = -(torch.cdist(queries[None], prototypes[None])[0] ** 2)
    else:
        cosine = F.normalize(queries, dim=1) @ F.normalize(support, dim=1).T
        share = torch.softmax(SHARPNESS * cosine, dim=1) @ member
        logits = share.clamp(min=torch.finfo(share.dtype).tiny).log()
    return logits.masked_fill(present == 0, NEVER)


def source(request: dict[str, Any], scratch: Path, progress_to: TextIO) -> dict[str, Any]:
    """A source trained on episodes of its own classes; an interrupted one begins again, which takes a minute.

    Raises LegitimateFailure("few_classes") where the dataset has no two classes with enough images.
    """
    settings = request["settings"]
    if "datasets" in settings or settings["task_type"] != "classification":
        raise LegitimateFailure(
            "not_applicable", f"{settings['method']} is trained on one dataset's image classes"
        )
    episodes = EpisodeSettings.from_hashed(settings["guidance"])
    training = TrainingSettings.from_hashed(settings["training"])
    dataset = open_dataset(request)
    indices = selected_images(dataset, settings)
    need_images(indices, request)
    backbone = start(request, settings["seed"])
    accelerator = make_accelerator(training.precision, tf32=training.tf32)
    inputs, labels = _all_inputs(dataset, indices, training)
    progress = Progress(request["name"], episodes.steps, progress_to)
    curve = _train(
        settings["method"],
        backbone.to(accelerator.device),
        inputs,
        labels,
        episodes,
        settings["seed"],
        progress,
    )
    require_finite_weights(backbone)
    save_checkpoint(
        scratch / "output" / MODEL_FILE,
        {f"backbone.{name}": tensor for name, tensor in backbone.state_dict().items()},
        described(request, backbone, TASK_TYPES["classification"], training, {}),
    )
    accuracy = _episode_accuracy(settings["method"], backbone, inputs, labels, episodes, settings["seed"])
    return {
        "primary": "episode_accuracy",
        "higher_is_better": True,
        "value": accuracy,
        "images": len(indices),
        "curve": curve,
        "notes": [],
    }


def transfer(request: dict[str, Any], scratch: Path, progress_to: TextIO) -> dict[str, Any]:
    """The evaluation set of a target, told by its labelled training images; nothing is trained."""
    settings = request["settings"]
    if settings["task_type"] != "classification":
        raise LegitimateFailure(
            "not_applicable", f"{settings['method']} is for classification, not for {settings['task_type']}"
        )
    task = TASK_TYPES["classification"]
    training = TrainingSettings.from_hashed(
        settings["training"] | {"learning_rate": settings["learning_rates"][0]}
    )
    dataset = open_dataset(request)
    indices = selected_images(dataset, settings)
    need_images(indices, request)
    backbone = start(request, settings["seed"]).eval()
    accelerator = make_accelerator(training.precision, tf32=training.tf32)
    inputs, labels = _all_inputs(dataset, indices, training)
    backbone.to(accelerator.device)
    with torch.inference_mode():
        support = _features(backbone, inputs.to(accelerator.device))
    description = dataset.description
    count = len(description.classification.classes)
    head = NearestLabelled(settings["method"], support, labels.to(accelerator.device), count)
    model = Model(backbone, head, *whitening(training.statistics, description.mean, description.std))
    metrics = assess(
        model,
        task,
        dataset,
        training,
        indices,
        [],
        accelerator=accelerator,
        scoring=None,
        output=scratch / "output",
        seed=settings["seed"],
    )
    return {
        "primary": task.metric,
        "higher_is_better": task.higher_is_better,
        **metrics,
        "best_learning_rate": None,
        "grid": [],
        "images": len(indices),
        "available_images": dataset.count("train"),
        "source_images": source_images(request),
    }


def _all_inputs(
    dataset: PreparedDataset, indices: np.ndarray, training: TrainingSettings
) -> tuple[Tensor, Tensor]:
    """Complete images (n, 3, H, W) float, whitened, and their classes (n,); padded to one size."""
    description = dataset.description
    mean, std = whitening(training.statistics, description.mean, description.std)
    centre, deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in (mean, std))
    samples = dataset.read("train", indices.tolist(), "classification")
    found: list[Tensor] = [torch.empty(0)] * len(samples)
    for places, inputs, _ in complete_images(samples, training.resolution, description.mean):
        whitened = (inputs.float() - centre) / deviation.clamp(min=1.0)
        for place, image in zip(places, whitened, strict=True):
            found[place] = image
    height, width = (max(image.shape[side] for image in found) for side in (1, 2))
    padded = [F.pad(image, (0, width - image.shape[2], 0, height - image.shape[1])) for image in found]
    return torch.stack(padded), torch.tensor([sample.label for sample in samples])


def _features(backbone: Backbone, inputs: Tensor) -> Tensor:
    return torch.cat([features_of(backbone.branches(part)) for part in inputs.split(64)])


def episode(
    labels: np.ndarray, settings: EpisodeSettings, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Positions (ways * shots,) and classes of labelled images, positions and classes of queries, of one episode.

    Classes with too few images are passed over; of fewer classes than asked, all are taken. Raises
    LegitimateFailure("few_classes") where there are not two.
    """
    counts = np.bincount(labels)
    usable = np.flatnonzero(counts > settings.shots)
    if len(usable) < 2:
        raise LegitimateFailure(
            "few_classes",
            f"episodes need two classes with more than {settings.shots} images each; found {len(usable)}",
        )
    chosen = generator.choice(usable, min(settings.ways, len(usable)), replace=False)
    support, queries, of_support, of_queries = [], [], [], []
    for number, label in enumerate(chosen):
        places = generator.permutation(np.flatnonzero(labels == label))
        some = places[settings.shots : settings.shots + settings.queries]
        support.append(places[: settings.shots])
        queries.append(some)
        of_support.append(np.full(settings.shots, number))
        of_queries.append(np.full(len(some), number))
    return tuple(map(np.concatenate, (support, of_support, queries, of_queries)))  # type: ignore[return-value]


def _told(
    method: str,
    backbone: Backbone,
    inputs: Tensor,
    labels: np.ndarray,
    settings: EpisodeSettings,
    generator: np.random.Generator,
) -> tuple[Tensor, Tensor]:
    """Logits and classes of the queries of one episode."""
    device = next(backbone.parameters()).device
    support, of_support, queries, of_queries = episode(labels, settings, generator)
    both = features_of(backbone.branches(inputs[np.concatenate([support, queries])].to(device)))
    known = torch.from_numpy(of_support).to(device)
    logits = told_by(method, both[: len(support)], known, both[len(support) :], int(of_support.max()) + 1)
    return logits, torch.from_numpy(of_queries).to(device)


def _train(
    method: str,
    backbone: Backbone,
    inputs: Tensor,
    labels: Tensor,
    settings: EpisodeSettings,
    seed: int,
    progress: Progress,
) -> list[tuple[int, float]]:
    backbone.train()
    optimizer = torch.optim.Adam(backbone.parameters(), lr=settings.learning_rate)
    curve, losses, known = [], [], labels.numpy()
    for step in range(settings.steps):
        logits, classes = _told(
            method, backbone, inputs, known, settings, np.random.default_rng([seed, step, 6])
        )
        loss = F.cross_entropy(logits, classes)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if (step + 1) % LOOK_EVERY == 0 or step + 1 == settings.steps:
            mean = sum(losses) / len(losses)
            if not math.isfinite(mean):
                raise LegitimateFailure("diverged", f"the loss was {mean} at episode {step + 1}")
            curve.append((step + 1, mean))
            progress.show(step + 1, f"loss {mean:.3f}")
            losses = []
    return curve


@torch.inference_mode()
def _episode_accuracy(
    method: str,
    backbone: Backbone,
    inputs: Tensor,
    labels: Tensor,
    settings: EpisodeSettings,
    seed: int,
    episodes: int = 20,
) -> float:
    """Mean share of queries told right, on fresh episodes of the images that were trained on."""
    backbone.eval()
    known, shares = labels.numpy(), []
    for number in range(episodes):
        logits, classes = _told(
            method, backbone, inputs, known, settings, np.random.default_rng([seed, number, 7])
        )
        shares.append((logits.argmax(dim=1) == classes).float().mean().item())
    return float(np.mean(shares))
