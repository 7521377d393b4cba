"""The task types by name."""

from __future__ import annotations

from transfer_atlas.tasks.classification import Classification
from transfer_atlas.tasks.depth import Depth
from transfer_atlas.tasks.detection import Detection
from transfer_atlas.tasks.interface import TaskType
from transfer_atlas.tasks.keypoints import Keypoints
from transfer_atlas.tasks.normals import Normals
from transfer_atlas.tasks.segmentation import Segmentation

TASK_TYPES: dict[str, TaskType] = {
    "segmentation": Segmentation(),
    "depth": Depth(),
    "normals": Normals(),
    "detection": Detection(),
    "keypoints": Keypoints(),
    "classification": Classification(),
}
