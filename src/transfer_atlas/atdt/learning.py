"""What the steps of AT/DT train: task networks on several domains at once, and G between two frozen networks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from transfer_atlas.atdt.networks import Decoder, Encoder, build_decoder, build_encoder
from transfer_atlas.atdt.settings import NetworkSettings
from transfer_atlas.atdt.transfer_network import TransferNetwork, reconstruction_loss
from transfer_atlas.tasks.pixelwise import upsample
from transfer_atlas.tasks.registry import TASK_TYPES
from transfer_atlas.training.ahead import in_order, pinned
from transfer_atlas.training.batches import AHEAD, Batch, Batches
from transfer_atlas.training.device import memory_format

SHARED = "shared"  # name of the encoder of a network that has one for all domains
Statistics = tuple[Sequence[float], Sequence[float]]  # mean and deviation (3,) in 0..255


def outputs_of(task_type: str, classes: Sequence[str] | None) -> int:
    """How many maps a decoder predicts: one a class, one of depth, three of normals."""
    return len(classes or ()) if task_type == "segmentation" else {"depth": 1, "normals": 3}[task_type]


def task_loss(task_type: str, outputs: Tensor, targets: Mapping[str, Tensor], depth_maximum: float) -> Tensor:
    """Loss of a task at the annotated pixels of a batch: cross entropy, L1 of depth in 0..1 (paper, section 4), or 1 -
    cosine of the angle between normals (ours: the supplement, 1.5, names none).

    outputs (B, K, h, w); targets as the task type encodes them. Zero where nothing is annotated.
    """
    if task_type != "depth":
        return TASK_TYPES[task_type].loss(outputs, dict(targets))
    annotated = targets["depth"]  # (B, 1, H, W) in metres, 0 unknown
    known = annotated > 0
    wanted = annotated.clamp(max=depth_maximum) / depth_maximum
    error = (upsample(outputs, annotated.shape[2:]) - wanted).abs() * known
    return error.sum() / known.sum().clamp(min=1)


def metric_outputs(task_type: str, outputs: Tensor, depth_maximum: float) -> Tensor:
    """Outputs in what evaluators take: logits as they are, depth scaled back to metres (supplement, section 3)."""
    return outputs * depth_maximum if task_type == "depth" else outputs


class TaskNetworks(nn.Module):
    """Encoders by domain (or one for all) and decoders by task type, which together are N1, N2 or No Transfer."""

    def __init__(self, encoders: Mapping[str, Encoder], decoders: Mapping[str, Decoder]) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict(encoders)
        self.decoders = nn.ModuleDict(decoders)

    def encoder(self, place: str) -> Encoder:
        """The encoder of a domain."""
        found = self.encoders[SHARED] if SHARED in self.encoders else self.encoders[place]
        assert isinstance(found, Encoder)
        return found

    @classmethod
    def of(cls, settings: Mapping[str, Any], places: Iterable[str]) -> TaskNetworks:
        """Networks with random weights as a run's `settings` describe them; places: names of the domains."""
        network = NetworkSettings.from_hashed(settings["network"])
        seed = settings["seed"]
        names = [SHARED] if settings["encoders"] == SHARED else sorted(places)
        encoders = {name: build_encoder(network, seed=seed) for name in names}
        first = encoders[names[0]]
        decoders = {
            task: build_decoder(network, first, outputs_of(task, settings.get("classes")), seed=seed)
            for task in sorted(settings["tasks"])
        }
        return cls(encoders, decoders)


@dataclass(frozen=True)
class Member:
    """A task on a domain that a network is trained on: its part of every batch."""

    task_type: str
    place: str
    batches: Batches
    statistics: Statistics  # that whiten its images


def whitened(images: Tensor, statistics: Statistics) -> Tensor:
    """Images (B, 3, H, W) in 0..255 -> zero mean and unit deviation by these statistics."""
    mean, std = (torch.tensor(values, device=images.device).view(1, 3, 1, 1) for values in statistics)
    return (images.float() - mean) / std.clamp(min=1.0)


class MemberBatches:
    """Steps of which each holds a part of every member, one after another: `{number}.{name}` are its targets."""

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = members

    def batch(self, step: int, pool: Executor | None = None) -> Batch:
        """images (B, 3, *crop) uint8 and the targets of all members."""
        images, targets = [], {}
        for number, member in enumerate(self.members):
            own, wanted = member.batches.batch(step, pool)
            images.append(own)
            targets |= {f"{number}.{name}": values for name, values in wanted.items()}
        return torch.cat(images), targets

    def __call__(self, first: int, last: int, *, pin: bool = False) -> Iterator[Batch]:
        """The steps first..last-1, a few ahead of their use; pin: for a GPU."""
        workers = max(member.batches.workers for member in self.members)

        def make(step: int, pool: Executor) -> Batch:
            made = self.batch(step, pool)
            return pinned(made) if pin else made

        return in_order(make, range(first, last), workers=workers, ahead=AHEAD)


def joint_loss(
    networks: TaskNetworks,
    members: Sequence[Member],
    images: Tensor,
    targets: Mapping[str, Tensor],
    depth_maximum: float,
) -> Tensor:
    """Losses of all members, those of one task type averaged, those of several added.

    All images go through an encoder and a decoder together where they share it, so that batch normalisation sees the
    domains as one (ours: the paper speaks of one network trained on samples of both).
    """
    sizes = [member.batches.settings.batch_size for member in members]
    inputs = [
        whitened(part, member.statistics) for part, member in zip(images.split(sizes), members, strict=True)
    ]
    features: dict[int, Tensor] = {}
    for encoder, numbers in _together(members, lambda member: networks.encoder(member.place)):
        # one image for several tasks on a domain is drawn for each anew, and encoded with the others
        deepest = encoder.until(torch.cat([inputs[number] for number in numbers]), level=4)
        features |= zip(numbers, deepest.split([sizes[number] for number in numbers]), strict=True)
    total = images.new_zeros((), dtype=torch.float32)
    for task_type, numbers in _together(members, lambda member: member.task_type):
        outputs = networks.decoders[task_type](torch.cat([features[number] for number in numbers]))
        parts = outputs.split([sizes[number] for number in numbers])
        for number, part in zip(numbers, parts, strict=True):
            own = {
                name.split(".", 1)[1]: values
                for name, values in targets.items()
                if name.split(".", 1)[0] == str(number)
            }
            total = total + task_loss(task_type, part, own, depth_maximum) / len(numbers)
    return total


def _together(members: Sequence[Member], what: Any) -> list[tuple[Any, list[int]]]:
    """Numbers of the members that share something, by what they share, in the members' order."""
    found: list[tuple[Any, list[int]]] = []
    for number, member in enumerate(members):
        shared = what(member)
        for known, numbers in found:
            if known is shared or (isinstance(known, str) and known == shared):
                numbers.append(number)
                break
        else:
            found.append((shared, [number]))
    return found


class Frozen:
    """A network that is used and never trained: no gradients, statistics as they are, no part of any module's weights.

    encoder and decoder as of TaskNetworks; statistics: that whiten its images; level: where the network is split.
    """

    def __init__(self, encoder: Encoder, decoder: nn.Module, statistics: Statistics, level: int) -> None:
        self.encoder, self.decoder, self.statistics, self.level = encoder, decoder, statistics, level
        for module in (encoder, decoder):
            module.eval().requires_grad_(False)

    def to(self, device: torch.device) -> Frozen:
        """Move it to a device."""
        for module in (self.encoder, self.decoder):
            module.to(device, memory_format=memory_format(device))
        return self

    def encode(self, images: Tensor) -> Tensor:
        """Features (B, C, h, w) at the split, of images (B, 3, H, W) in 0..255."""
        return self.encoder.until(whitened(images, self.statistics), self.level)

    def decode(self, features: Tensor) -> Tensor:
        """Maps (B, K, H/4, W/4) of features at the split."""
        return self.decoder(self.encoder.after(features, self.level))


def transfer_loss(network: TransferNetwork, first: Frozen, second: Frozen, images: Tensor) -> Tensor:
    """L_Tr of equation 3 on images (B, 3, H, W) in 0..255: only `network` has gradients."""
    with torch.no_grad():
        given, wanted = first.encode(images), second.encode(images)
    return reconstruction_loss(network(given), wanted)


class Route(nn.Module):
    """Images in 0..255 to what evaluators take: D2(E2(x)), or D2(G(E1(x))) (paper, equation 4)."""

    def __init__(
        self,
        task_type: str,
        decoder: Frozen,
        depth_maximum: float,
        *,
        encoder: Frozen | None = None,
        network: TransferNetwork | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.first, self.last = encoder or decoder, decoder
        self.task_type, self.depth_maximum = task_type, depth_maximum

    def features(self, images: Tensor) -> Tensor:
        """What the decoder is given (B, C, h, w)."""
        found = self.first.encode(images)
        return found if self.network is None else self.network(found)

    def forward(self, images: Tensor) -> Tensor:
        """Logits, or depth in metres, at stride 4."""
        self.first.to(images.device)
        self.last.to(images.device)
        return metric_outputs(self.task_type, self.last.decode(self.features(images)), self.depth_maximum)


def pooled_rows(features: Tensor) -> Tensor:
    """Features (B, C, h, w) as rows (B h w, C)."""
    return features.permute(0, 2, 3, 1).flatten(0, 2)
