"""The official adapters by name, which is that of the dataset in studies/paper.yaml."""

from __future__ import annotations

from transfer_atlas.datasets.official import (
    ade20k,
    bdd,
    bdd_100k,
    camvid,
    cityscapes,
    coco,
    idd,
    kitti,
    mapillary,
    pascal_context,
    pascal_voc,
    pascal_voc_2007,
)
from transfer_atlas.datasets.official.base import OfficialAdapter

MODULES = (
    ade20k,
    bdd,
    bdd_100k,
    camvid,
    cityscapes,
    coco,
    idd,
    kitti,
    mapillary,
    pascal_context,
    pascal_voc,
    pascal_voc_2007,
)
OFFICIAL: dict[str, OfficialAdapter] = {module.ADAPTER.name: module.ADAPTER for module in MODULES}
