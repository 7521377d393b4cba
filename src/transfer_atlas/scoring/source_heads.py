"""The predictions of a source's own head, as far as it has classes: segmentation and classification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from transfer_atlas.models.backbone import Backbone
from transfer_atlas.models.checkpoints import load_weights
from transfer_atlas.tasks.classification import ClassificationHead, LinearHead
from transfer_atlas.tasks.pixelwise import PixelwiseHead

CLASSIFIER = "classifier.weight"


def source_head(
    backbone: Backbone, tensors: Mapping[str, Tensor], task_type: str, origin: str
) -> nn.Module | None:
    """The head of a source's checkpoint, whose number of classes its own tensors tell.

    None for task types without classes. A multi-source has a head per dataset: its predictions are those of all heads
    side by side, each of equal weight.
    """
    if task_type not in ("segmentation", "classification"):
        return None
    of_images = LinearHead if backbone.linear else ClassificationHead
    kind = PixelwiseHead if task_type == "segmentation" else of_images
    heads = []
    for name in sorted(tensors):
        if name == f"head.{CLASSIFIER}" or (name.startswith("heads.") and name.endswith(f".{CLASSIFIER}")):
            head = kind(backbone.widths, backbone.strides, tensors[name].shape[0])
            load_weights(head, dict(tensors), prefix=name.removesuffix(CLASSIFIER), origin=origin)
            heads.append(head.eval())
    return None if not heads else heads[0] if len(heads) == 1 else SideBySide(heads)


class SideBySide(nn.Module):
    """The heads of a multi-source."""

    def __init__(self, heads: Sequence[nn.Module]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(heads)


def predictions(head: nn.Module, branches: list[Tensor]) -> list[Tensor]:
    """Probabilities and logits of the head: (B, S, H/4, W/4) for segmentation, (B, S, 1, 1) for classification,
    float32.

    Of several heads the classes of all, in the order of the datasets' names: probabilities sum to 1 over them, the
    source
    being each of its datasets with equal probability.
    """
    heads = head.heads if isinstance(head, SideBySide) else [head]
    logits = [each(branches).float() for each in heads]
    logits = [each[:, :, None, None] if each.ndim == 2 else each for each in logits]
    shares = [torch.softmax(each, dim=1) / len(heads) for each in logits]
    return [torch.cat(shares, dim=1), torch.cat(logits, dim=1)]
