"""The runs of pixel-level adaptation: CycleGAN between two domains, and a dataset in the other domain's style."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from transfer_atlas.atdt.crops import CropPairs
from transfer_atlas.atdt.cyclegan import (
    Discriminators,
    Generators,
    ImagePool,
    discriminator_loss,
    generator_loss,
    learning_rate,
    scaled,
    unscaled,
    without_gradients,
)
from transfer_atlas.atdt.settings import TranslationSettings
from transfer_atlas.datasets.prepared import DatasetDescription, Entry, Record, TaskType
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.datasets.reading import COLUMNS, PreparedDataset, Sample
from transfer_atlas.datasets.writing import write_prepared
from transfer_atlas.errors import LegitimateFailure
from transfer_atlas.models.architectures.image_translation import GENERATOR_STRIDE
from transfer_atlas.models.checkpoints import load_checkpoint, load_weights, save_checkpoint
from transfer_atlas.process.progress import Progress
from transfer_atlas.store.files import write_json
from transfer_atlas.store.store import MODEL_FILE, parent_record
from transfer_atlas.training.device import make_accelerator
from transfer_atlas.training.finite import require_finite_weights
from transfer_atlas.training.loop import train
from transfer_atlas.training.requested import open_dataset

MEASURED_IMAGES = 32  # of each evaluation set, spread evenly, on which cycle and identity are measured
MAPPED: tuple[TaskType, ...] = (
    "segmentation",
    "depth",
    "normals",
)  # task types whose annotation a translated dataset keeps
ADAM_BETAS = (0.5, 0.999)  # the first as in the authors' code


def translator(request: dict[str, Any], scratch: Path, progress_to: TextIO) -> dict[str, Any]:
    """Train CycleGAN between the datasets `a` and `b` (paper, section 5.3). Keeps both generators.

    `value` is the cycle's error on both evaluation sets: the mean difference of images, in shares of 255.
    """
    settings = TranslationSettings.from_hashed(request["settings"]["training"])
    datasets = {side: open_dataset(request, side, share=2) for side in ("a", "b")}
    for side, dataset in datasets.items():
        if not dataset.count("train"):
            name = request["parents"][side]["name"]
            raise LegitimateFailure("no_training_images", f"{name}: the training split holds no image")
    accelerator = make_accelerator(settings.precision)
    generators = Generators(settings, seed=settings.seed).to(accelerator.device)
    discriminators = Discriminators(settings, seed=settings.seed).to(accelerator.device)
    pools = {side: ImagePool(settings.pool, settings.crop).to(accelerator.device) for side in datasets}
    optimizers = {
        name: torch.optim.Adam(network.parameters(), lr=settings.learning_rate, betas=ADAM_BETAS)
        for name, network in (("generators", generators), ("discriminators", discriminators))
    }

    def step(number: int, images: Tensor, targets: dict[str, Tensor]) -> Tensor:
        a, b = scaled(images).split(settings.batch_size)
        for optimizer in optimizers.values():
            optimizer.param_groups[0]["lr"] = learning_rate(settings, number)
            optimizer.zero_grad(set_to_none=True)
        with without_gradients(discriminators):
            with accelerator.autocast():
                loss, fake_a, fake_b = generator_loss(generators, discriminators, a, b, settings)
            accelerator.backward(loss)
        optimizers["generators"].step()
        chance, seen = np.random.default_rng([settings.seed, number, 2]), number * settings.batch_size
        shown = [
            pools[side].exchanged(fake.float(), seen, chance) for side, fake in (("a", fake_a), ("b", fake_b))
        ]
        with accelerator.autocast():
            judged = discriminator_loss(discriminators, a, b, *shown)
        accelerator.backward(judged)
        optimizers["discriminators"].step()
        return loss.detach()

    progress = Progress(request["name"], settings.steps, progress_to)
    began = time.monotonic()
    curve = train(
        step,
        CropPairs(datasets["a"], datasets["b"], settings),
        steps=settings.steps,
        saved={
            "generators": generators,
            "discriminators": discriminators,
            "pool_a": pools["a"],
            "pool_b": pools["b"],
            "generator_optimizer": optimizers["generators"],
            "discriminator_optimizer": optimizers["discriminators"],
        },
        accelerator=accelerator,
        state=scratch / "state.safetensors",
        watch=lambda done, loss: progress.show(done, f"loss {loss:.3f}"),
        about=f" (learning rate {settings.learning_rate:g})",
    )
    rate = settings.steps / max(1e-9, time.monotonic() - began)
    require_finite_weights(generators)
    save_checkpoint(scratch / "output" / MODEL_FILE, generators.state_dict(), {"key": request["key"]})
    measured = cycle_errors(generators, datasets, accelerator.device)
    return {
        "curve": curve,
        "primary": "cycle_error",
        "higher_is_better": False,
        "value": (measured["cycle_error_a"] + measured["cycle_error_b"]) / 2,
        **measured,
        "images": {side: dataset.count("train") for side, dataset in datasets.items()},
        "parameters": sum(weight.numel() for weight in generators.parameters()),
        "steps_per_second": round(rate, 3),
    }


def translated(request: dict[str, Any], scratch: Path, progress_to: TextIO) -> dict[str, Any]:
    """Write the dataset `whole` in A's style: each image through the generator of A, its annotation as it is.

    Of the annotation what AT/DT maps between is kept; boxes, keypoints and classes of images are not.
    """
    record = parent_record(request, "translator")
    settings = TranslationSettings.from_hashed(record["settings"]["training"])
    path = Path(request["parents"]["translator"]["folder"]) / MODEL_FILE
    generators = Generators(settings, seed=settings.seed)
    load_weights(generators, load_checkpoint(path)[0], prefix="", origin=str(path))
    device = make_accelerator("float32").device
    generators.to(device).eval().requires_grad_(False)
    whole = open_dataset(request, "whole")
    described = whole.description.model_dump(mode="json", include={"source", "licence", *MAPPED})
    total = sum(whole.count(split) for split in whole.description.counts)
    progress = Progress(request["name"], total, progress_to)
    written = write_prepared(
        scratch / "output",
        described | {"name": request["settings"]["name"]},
        _entries(whole, generators, device),
        splits=[split for split, count in whole.description.counts.items() if count],
        unfinished=scratch / "shards",
        progress=lambda done, total: progress.show(done, f"of {total} images"),
    )
    return {"counts": written.counts}


def save_no_dataset(output: Path, status: str, reason: str) -> None:
    """The declared output of a translation that legitimately has none."""
    write_json(output / "dataset.json", {"status": status, "reason": reason})


def translate(generator: torch.nn.Module, image: Tensor, device: torch.device) -> Tensor:
    """A complete image (3, H, W) uint8 through a generator, at its own size; borders are reflected where it needs."""
    height, width = image.shape[1:]
    right, below = -width % GENERATOR_STRIDE, -height % GENERATOR_STRIDE
    with torch.inference_mode():
        padded = F.pad(scaled(image[None].to(device)), (0, right, 0, below), mode="reflect")
        return unscaled(generator(padded))[0, :, :height, :width].cpu()


def cycle_errors(
    generators: Generators, datasets: Mapping[str, PreparedDataset], device: torch.device
) -> dict[str, float]:
    """Mean absolute difference, in shares of 255, on evaluation images of `a` and `b`.

    cycle_error_*: to the other domain and back; identity_error_*: through the generator of their own domain.
    """
    generators.eval()
    there = {"a": (generators.to_b, generators.to_a), "b": (generators.to_a, generators.to_b)}
    found = {}
    for side, dataset in datasets.items():
        count, (away, back) = dataset.count("val"), there[side]
        places = sorted({round(at) for at in np.linspace(0, count - 1, min(MEASURED_IMAGES, count)).tolist()})
        cycle, identity = [], []
        for sample in dataset.read("val", places, any_task_type(dataset.description)):
            for errors, network in ((cycle, away), (identity, back)):
                made = translate(network, sample.image, device)
                made = translate(back, made, device) if errors is cycle else made
                errors.append(((made.float() - sample.image.float()).abs().mean() / 255).item())
        found[f"cycle_error_{side}"] = float(np.mean(cycle)) if cycle else float("nan")
        found[f"identity_error_{side}"] = float(np.mean(identity)) if identity else float("nan")
    return found


def any_task_type(description: DatasetDescription) -> TaskType:
    """A task type that a dataset annotates: images are read with one, whichever."""
    return next(name for name in COLUMNS if getattr(description, name, None) is not None)


def _entries(whole: PreparedDataset, generators: Generators, device: torch.device) -> Iterator[Entry]:
    """All images of a dataset, by split and in its order."""

    kept = [name for name in MAPPED if getattr(whole.description, name) is not None]

    def read(split: str, index: int, problems: Problems) -> Record:
        samples = [whole.read(split, [index], name)[0] for name in kept]
        image = translate(generators.to_a, samples[0].image, device).permute(1, 2, 0).contiguous().numpy()
        return Record(samples[0].id, split, image, **annotation_of(samples, whole.description))

    for split in whole.description.counts:
        for index, identifier in enumerate(whole.ids(split)):
            yield Entry(identifier, split, partial(read, split, index))


def annotation_of(samples: list[Sample], description: DatasetDescription) -> dict[str, Any]:
    """The annotation of one image, read for each of its task types, as a record has it."""
    found: dict[str, Any] = {}
    for sample in samples:
        if sample.mask is not None:
            found["mask"] = sample.mask.numpy().astype(
                np.uint16 if sample.mask.dtype != torch.uint8 else np.uint8
            )
        if sample.depth is not None:
            depth = sample.depth.numpy()
            # What lies within half a step of the range's ends was rounded out of it when it was stored.
            limits = np.float32(description.depth.minimum), np.float32(description.depth.maximum)
            found["depth"] = np.where(depth > 0, depth.clip(*limits), 0).astype(np.float32)
        if sample.normals is not None:
            found["normals"] = sample.normals.permute(1, 2, 0).numpy()
    return found
