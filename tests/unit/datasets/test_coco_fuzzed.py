"""COCO files whose values are anything JSON can hold: read, or refused with a message, never a traceback."""

import copy
import json
import math

import pytest
from adapter_examples import save, write
from prepared_examples import pixels
from pydantic import ValidationError

from transfer_atlas.datasets import open_dataset
from transfer_atlas.errors import DatasetError

WHOLE = {
    "images": [{"id": 1, "file_name": "a.png", "width": 8, "height": 6}],
    "annotations": [
        {
            "id": 1,
            "image_id": 1,
            "category_id": 1,
            "bbox": [1, 1, 4, 3],
            "area": 12,
            "iscrowd": 0,
            "keypoints": [3, 4, 2],
            "segmentation": [[1, 1, 5, 1, 5, 5]],
        }
    ],
    "categories": [{"id": 1, "name": "a"}],
}
ODD = [
    None,
    [],
    {},
    "x",
    "",
    "1",
    -1,
    1.5,
    True,
    math.inf,
    math.nan,
    10**30,
    [1],
    {"a": 1},
    [[1, 2]],
    ["a"] * 4,
]
ODD += [[1, 2, 3, 10**400], 10**400]
POINTS = {"keypoints": {"names": ["nose"], "sigmas": {"nose": 0.1}}, "outlines": {}}


@pytest.mark.parametrize("options", [{}, POINTS], ids=["boxes", "all"])
@pytest.mark.parametrize(
    ("part", "key"), [(part, key) for part, entries in WHOLE.items() for key in entries[0]]
)
def test_odd_values_are_read_or_refused(tmp_path, part, key, options):
    save(tmp_path / "images/train/a.png", pixels(6, 8))
    outcomes = set()
    for value in ODD:
        content = copy.deepcopy(WHOLE)
        content[part][0][key] = value
        write(tmp_path / "annotations/train.json", json.dumps(content))
        try:
            options = options | {"splits": {"train": "train"}}
            sample = open_dataset("coco_json", tmp_path, "train", "detection", **options)[0]
            assert len(sample.boxes) <= 1
            outcomes.add("read")
        except (DatasetError, ValidationError) as error:
            assert str(error)
            outcomes.add("refused")
    if key in ("image_id", "bbox", "category_id", "file_name"):
        assert "refused" in outcomes  # nothing is made of these
