"""Order means nothing: shuffling any mapping or set-like list of a study changes no key."""

import copy
import random

import pytest
import study_examples as examples
import yaml
from golden_keys import REPOSITORY, STUDIES

from transfer_atlas.planning.plan import make_plan, used_datasets
from transfer_atlas.study.parse import parse_study

# Lists of which only the set counts; `tasks` only where it is a list, of a multi-source.
SETS = {
    "experiments",
    "sources",
    "targets",
    "baselines",
    "seeds",
    "methods",
    "metrics",
    "tasks",
    "drop_at",
    "learning_rate_factors",
    "images",
}
TINY = REPOSITORY / "tests/config/tiny_study.yaml"
EXAMPLE = examples.values(
    ("transferability", {"metrics": ["otce", "logme", "leep"]}),
    ("multi_sources", {"multi_segmentation": {"tasks": ["segmentation/suim", "segmentation/camvid"]}}),
    ("datasets.camvid.parts", {"b": {"images": ["x*", "a*"]}, "a": {"images": ["m*"]}}),
    ("experiments.0.sources", ["segmentation/suim", "multi_segmentation", "segmentation/camvid@b"]),
    ("experiments.0.seeds", [1, 0]),
    ("task_types.segmentation.training.schedule", {"policy": "step", "drop_at": [0.9, 0.5]}),
    ("task_types.segmentation.learning_rate_factors", [0.1, 1.0]),
)


def shuffled(value, name, shuffle):
    """The same study with every mapping and every set-like list in another order."""
    if isinstance(value, dict):
        names = list(value)
        shuffle(names)
        return {each: shuffled(value[each], each, shuffle) for each in names}
    if isinstance(value, list):
        inner = [shuffled(each, "", shuffle) for each in value]
        if name in SETS:
            shuffle(inner)
        return inner
    return value


def keys(values):
    """Every identity and run with its key, and the key of the tables."""
    study = parse_study(values)
    plan = make_plan(study, dict.fromkeys(used_datasets(study), "1"), "2")
    found = {str(examples.name_of(each)): examples.key_of(each) for each in examples.everything(plan)}
    return found | {"tables": plan.table_key()}


def study_values(name):
    return EXAMPLE if name == "example" else yaml.safe_load((REPOSITORY / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["example", *STUDIES, TINY.relative_to(REPOSITORY).as_posix()])
def test_no_order_of_a_study_changes_a_key(name):
    values = study_values(name)
    expected = keys(copy.deepcopy(values))
    assert len(expected) > 3
    for seed in range(3):
        other = shuffled(copy.deepcopy(values), "", random.Random(seed).shuffle)
        assert keys(other) == expected


def test_lists_that_are_no_sets_are_left_alone():
    # the test above is worth nothing if shuffling does nothing
    other = shuffled(copy.deepcopy(EXAMPLE), "", lambda names: names.reverse())
    assert list(other) == list(reversed(EXAMPLE)) and other["experiments"][0]["seeds"] == [0, 1]
    assert other["task_types"]["segmentation"]["training"]["resolution"] == [64, 64]
