"""The predictions of a source's own head, as far as it has classes: segmentation and classification."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from transfer_atlas.models.backbone import Backbone
from transfer_atlas.models.checkpoints import load_weights
from transfer_atlas.tasks.classification import ClassificationHead
from transfer_atlas.tasks.pixelwise import PixelwiseHead


def source_head(
    backbone: Backbone, tensors: Mapping[str, Tensor], task_type: str, origin: str
) -> nn.Module | None:
    """The head of a source's checkpoint, whose number of classes its own tensors tell.

    None for task types without classes, and for multi-sources, which have a head per dataset.
    """
    weight = tensors.get("head.classifier.weight")
    if weight is None or task_type not in ("segmentation", "classification"):
        return None
    kind = PixelwiseHead if task_type == "segmentation" else ClassificationHead
    head = kind(backbone.widths, backbone.strides, weight.shape[0])
    load_weights(head, dict(tensors), prefix="head.", origin=origin)
    return head.eval()


def probabilities(head: nn.Module, branches: list[Tensor]) -> Tensor:
    """Softmax of the head: (B, S, H/4, W/4) for segmentation, (B, S, 1, 1) for classification, float32."""
    logits = head(branches).float()
    if logits.ndim == 2:
        logits = logits[:, :, None, None]
    return torch.softmax(logits, dim=1)
