"""Task types: metrics against cases worked out by hand, losses against torch, heads against the paper."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from transfer_atlas.datasets.prepared import (
    ClassificationDescription,
    DatasetDescription,
    DepthDescription,
    DetectionDescription,
    KeypointsDescription,
    Objects,
    SegmentationDescription,
)
from transfer_atlas.datasets.reading import Sample
from transfer_atlas.errors import LegitimateFailure
from transfer_atlas.models.backbone import build_backbone
from transfer_atlas.models.model import Model
from transfer_atlas.tasks.classification import ClassificationEvaluator, ClassificationHead
from transfer_atlas.tasks.pixelwise import PixelwiseHead
from transfer_atlas.tasks.registry import TASK_TYPES
from transfer_atlas.tasks.segmentation import ConfusionMatrix, SegmentationEvaluator

SEGMENTATION, CLASSIFICATION = TASK_TYPES["segmentation"], TASK_TYPES["classification"]
NAMES = ["sky", "road", "car"]
IGNORED = 255


def description(classes=NAMES) -> DatasetDescription:
    colours = [(0, 0, 0)] * len(classes)
    return DatasetDescription(
        name="toy",
        domain="consumer",
        counts={"train": 1},
        segmentation=SegmentationDescription(classes=classes, colours=colours),
        classification=ClassificationDescription(classes=classes),
        depth=DepthDescription(unit="metre", minimum=0.5, maximum=8.0),
        detection=DetectionDescription(classes=classes),
        keypoints=KeypointsDescription(names=["left", "right"], flips=[1, 0], sigmas=[0.1, 0.1]),
        mean=(1, 2, 3),
        std=(4, 5, 6),
    )


def parameters(module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def matrix_of(annotated, predicted, classes=3) -> ConfusionMatrix:
    matrix = ConfusionMatrix(classes)
    matrix.update(torch.tensor(annotated, dtype=torch.uint8), torch.tensor(predicted))
    return matrix


# Segmentation: mean IoU


def test_iou_by_hand():
    matrix = matrix_of([[0, 0, 0, 1], [1, 1, 2, 2]], [[0, 0, 1, 1], [1, 2, 2, 0]])
    assert matrix.counts.tolist() == [[2, 1, 0], [0, 2, 1], [1, 0, 1]]
    assert matrix.intersection_over_union().tolist() == pytest.approx([2 / 4, 2 / 4, 1 / 3])


def test_ignored_pixels_count_nowhere():
    with_ignored = matrix_of([[0, 0, IGNORED, IGNORED], [1, 1, 2, IGNORED]], [[0, 1, 0, 1], [1, 1, 2, 2]])
    assert with_ignored.counts.tolist() == [[1, 1, 0], [0, 2, 0], [0, 0, 1]]
    assert with_ignored.intersection_over_union().tolist() == pytest.approx([1 / 2, 2 / 3, 1])


def test_a_class_that_is_nowhere_annotated_has_no_iou_but_costs_those_it_displaces():
    iou = matrix_of([[0, 0, 1, 1]], [[0, 2, 1, 1]]).intersection_over_union()
    assert iou[:2].tolist() == pytest.approx([1 / 2, 1]) and iou[2].isnan()


def test_masks_of_16_bits_count_alike():
    matrix = ConfusionMatrix(300)
    matrix.update(torch.tensor([[299, 0, 65535]]), torch.tensor([[299, 299, 0]]))
    assert matrix.counts[299, 299] == 1 and matrix.counts[0, 299] == 1 and matrix.counts.sum() == 2


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_iou_agrees_with_sets_of_pixels(data):
    pixels = st.lists(st.sampled_from([0, 1, 2, IGNORED]), min_size=12, max_size=12)
    annotated, predicted = data.draw(pixels), data.draw(st.lists(st.integers(0, 2), min_size=12, max_size=12))
    matrix = ConfusionMatrix(3)  # in two parts: the matrix adds up over images
    for part in (slice(0, 5), slice(5, 12)):
        matrix.update(torch.tensor(annotated[part], dtype=torch.uint8), torch.tensor(predicted[part]))
    for number, iou in enumerate(matrix.intersection_over_union().tolist()):
        valid = {at for at in range(12) if annotated[at] != IGNORED}
        here = {at for at in valid if annotated[at] == number}
        there = {at for at in valid if predicted[at] == number}
        assert iou == pytest.approx(len(here & there) / len(here | there)) if here else iou != iou


def logits_of(mask: torch.Tensor, classes: int = 3) -> torch.Tensor:
    """What a perfect head says of a mask that is constant in cells of 4 x 4 pixels."""
    return functional.one_hot(mask[::4, ::4].long(), classes).permute(2, 0, 1)[None] * 20.0 - 10.0


def test_a_perfect_prediction_scores_one():
    mask = torch.zeros(32, 64, dtype=torch.uint8)
    mask[:, 32:] = 1
    mask[:, 30:34] = IGNORED  # where bilinear upsampling is undecided
    evaluator = SEGMENTATION.evaluator(description(["sky", "road"]))
    evaluator.update(
        logits_of(mask.clamp(max=1), 2), [Sample("a", torch.empty(3, 32, 64), mask=mask)], [(32, 64)]
    )
    found = evaluator.result()
    assert (found["value"], found["pixel_accuracy"], found["absent_classes"]) == (1.0, 1.0, [])
    assert found["per_class"] == {"sky": 1.0, "road": 1.0}


def test_images_are_scored_at_their_own_size_and_padding_not_at_all():
    # a network that is right inside the image's part of the input, and wrong in the padding beside it
    logits = torch.zeros(1, 3, 8, 8)
    logits[:, 0, :, :4], logits[:, 1, :, 4:] = 5.0, 5.0
    sample = Sample("a", torch.empty(3, 10, 5), mask=torch.zeros(10, 5, dtype=torch.uint8))
    evaluator = SegmentationEvaluator(NAMES)
    evaluator.update(logits, [sample], [(32, 14)])
    assert evaluator.matrix.counts.sum() == 50
    found = evaluator.result()
    assert found["value"] == 1.0 and found["absent_classes"] == ["road", "car"]
    assert found["per_class"] == {"sky": 1.0, "road": None, "car": None}


def test_without_any_annotated_pixel_the_metric_is_not_defined():
    evaluator = SEGMENTATION.evaluator(description())
    with pytest.raises(LegitimateFailure) as caught:
        evaluator.result()
    assert caught.value.status == "no_class_present"
    mask = torch.full((8, 8), IGNORED, dtype=torch.uint8)
    evaluator.update(torch.zeros(1, 3, 2, 2), [Sample("a", torch.empty(3, 8, 8), mask=mask)], [(8, 8)])
    with pytest.raises(LegitimateFailure, match="none of the 3 classes is annotated"):
        evaluator.result()


# Segmentation: head and loss


def test_the_segmentation_head_is_a_linear_classifier_at_each_pixel():
    head = PixelwiseHead([48, 96, 192, 384], [4, 8, 16, 32], 20)
    assert parameters(head) == (720 + 1) * 20  # Fig. 4a; Table 2 says 14K
    backbone = build_backbone("hrnet_tiny", seed=0).eval()
    head = SEGMENTATION.head(backbone, description())
    assert parameters(head) == (120 + 1) * 3
    torch.nn.init.normal_(head.classifier.bias)
    images = torch.randn(2, 3, 64, 96)
    with torch.inference_mode():
        logits = head(backbone.branches(images))
        assert logits.shape == (2, 3, 16, 24)
        # the paper's order: upsample and concatenate the branches, then classify
        classified = functional.conv2d(backbone(images), head.classifier.weight, head.classifier.bias)
        torch.testing.assert_close(logits, classified, rtol=1e-4, atol=1e-5)


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_the_segmentation_loss_is_torchs_at_annotated_pixels(seed, share):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 3, 4, 6, generator=generator, requires_grad=True)
    mask = torch.randint(0, 3, (2, 16, 24), generator=generator, dtype=torch.uint8)
    mask[torch.rand(mask.shape, generator=generator) < share] = IGNORED
    samples = [SimpleNamespace(mask=each) for each in mask]
    loss = SEGMENTATION.loss(logits, SEGMENTATION.encode(samples))
    upsampled = functional.interpolate(logits, scale_factor=4, mode="bilinear", align_corners=False)
    kept = mask != IGNORED
    if kept.any():
        reference = functional.cross_entropy(upsampled, mask.long(), ignore_index=IGNORED)
        torch.testing.assert_close(loss, reference)
        picked = functional.log_softmax(upsampled, 1).gather(1, mask.where(kept, 0).long()[:, None])[:, 0]
        torch.testing.assert_close(loss, -picked[kept].mean())
    else:
        assert loss == 0
    loss.backward()
    assert logits.grad.isfinite().all()


# Classification


def test_masks_are_as_small_as_they_were_until_the_loss_and_the_loss_is_the_same():
    """A batch of int64 masks took a quarter of the time of reading it, and eight times the way to a device."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 6, generator=generator)
    small = torch.randint(0, 3, (2, 16, 24), generator=generator, dtype=torch.uint8)
    small[:, :2] = IGNORED
    encoded = SEGMENTATION.encode([SimpleNamespace(mask=each) for each in small])
    assert encoded["mask"].dtype == torch.uint8
    wide = SEGMENTATION.encode([SimpleNamespace(mask=each.long()) for each in small])
    assert SEGMENTATION.loss(logits, encoded) == SEGMENTATION.loss(logits, wide)


def test_the_classification_head_is_fig_3a():
    head = ClassificationHead([48, 96, 192, 384], [4, 8, 16, 32], 1000).eval()
    shapes = {}
    for name, module in head.named_modules():
        if name in ("increase.0", "increase.3", "reduce.0", "reduce.2", "final", "classifier"):
            module.register_forward_hook(
                lambda _, __, output, name=name: shapes.update({name: tuple(output.shape[1:])})
            )
    branches = [torch.rand(1, 48 * 2**i, 56 // 2**i, 56 // 2**i) for i in range(4)]
    assert head(branches).shape == (1, 1000)
    assert shapes == {
        "increase.0": (128, 56, 56),
        "reduce.0": (256, 28, 28),
        "reduce.2": (1024, 7, 7),
        "increase.3": (1024, 7, 7),
        "final": (2048, 7, 7),  # H / 32 x W / 32
        "classifier": (1000,),
    }


def test_a_small_backbone_gets_a_small_classification_head():
    backbone = build_backbone("hrnet_tiny", seed=0)
    head = CLASSIFICATION.head(backbone, description())
    assert head.classifier.in_features == 512
    assert head(backbone.branches(torch.zeros(2, 3, 64, 64))).shape == (2, 3)
    for name in ("resnet18", "convnext_atto", "tf_efficientnet_lite0"):
        backbone = build_backbone(name, seed=0)
        assert CLASSIFICATION.head(backbone, description())(
            backbone.branches(torch.zeros(2, 3, 64, 64))
        ).shape == (2, 3)


def test_top_1_by_hand():
    evaluator = CLASSIFICATION.evaluator(description())
    logits = torch.tensor([[3.0, 1, 2], [1, 2, 3], [0, 1, 0], [5, 0, 0]])
    samples = [Sample(str(i), torch.empty(0), label=label) for i, label in enumerate([0, 1, 1, 0])]
    evaluator.update(logits[:2], samples[:2], [(1, 1)] * 2)
    evaluator.update(logits[2:], samples[2:], [(1, 1)] * 2)
    assert evaluator.result() == {
        "value": 0.75,
        "per_class": {"sky": 1.0, "road": 0.5, "car": None},
        "absent_classes": ["car"],
        "confusion": {"sky": {"sky": 2}, "road": {"road": 1, "car": 1}},
    }


def test_top_1_of_nothing_is_not_defined():
    with pytest.raises(LegitimateFailure) as caught:
        ClassificationEvaluator(NAMES).result()
    assert caught.value.status == "no_class_present"


def test_the_classification_loss_is_cross_entropy():
    logits = torch.randn(4, 3)
    samples = [Sample(str(i), torch.empty(0), label=i % 3) for i in range(4)]
    loss = CLASSIFICATION.loss(logits, CLASSIFICATION.encode(samples))
    torch.testing.assert_close(loss, functional.cross_entropy(logits, torch.tensor([0, 1, 2, 0])))


# What accelerators ask: static graphs


def annotated(image: torch.Tensor, count: int) -> Sample:
    """A sample with everything that any task type asks for; `count` objects."""
    boxes = np.array([[4, 8, 20, 28], [10, 2, 30, 16]], np.float32)[:count]
    keypoints = np.array([[[8, 10, 2], [16, 20, 1]], [[12, 4, 2], [0, 0, 0]]], np.float32)[:count]
    labels, crowd = np.arange(count), np.zeros(count, bool)
    objects = Objects(boxes, labels, crowd, np.full(count, 300, np.float32), keypoints)
    height, width = image.shape[1:]
    return Sample(
        "a",
        image,
        mask=torch.zeros(height, width, dtype=torch.uint8),
        objects=objects,
        depth=torch.full((height, width), 3.0),
        normals=torch.zeros(3, height, width),
        label=0,
    )


@pytest.mark.parametrize("name", list(TASK_TYPES))
def test_targets_have_the_same_shapes_whatever_is_annotated(name):
    image = torch.zeros(3, 32, 64, dtype=torch.uint8)
    shapes = [
        {
            key: (value.shape, value.dtype)
            for key, value in TASK_TYPES[name].encode([annotated(image, n)]).items()
        }
        for n in (0, 1, 2)
    ]
    assert shapes[0] == shapes[1] == shapes[2]


@pytest.mark.slow
@pytest.mark.parametrize("name", list(TASK_TYPES))
def test_a_training_steps_graph_is_whole_and_static(name):
    task = TASK_TYPES[name]
    backbone = build_backbone("hrnet_tiny", seed=0)
    model = Model(backbone, task.head(backbone, description()), (1, 2, 3), (4, 5, 6)).train()

    def forward_and_loss(images, targets):
        return task.loss(model(images), targets)

    torch._dynamo.reset()
    compiled = torch.compile(forward_and_loss, fullgraph=True, dynamic=False, backend="aot_eager")
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    targets = task.encode([annotated(images[0], 2), annotated(images[1], 0)])
    # state of batch normalisation moves with every pass, but in training mode outputs do not depend on it
    torch.testing.assert_close(compiled(images, targets), forward_and_loss(images, targets))
