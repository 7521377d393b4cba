"""The networks of this folder by name. Nothing of them is imported until one is built.

To add one: its file beside this, its entry here, its stage in `code_versions.yaml`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

FOLDER = "transfer_atlas.models.architectures"


@dataclass(frozen=True)
class Architecture:
    """A network: `module` has `build(width)`, which returns it with widths and strides of its maps, finest first.

    linear: whether classification reads its last map, averaged, through one linear layer, as its authors have it.
    parameters: in millions, as its paper or library has them, without classifier.
    """

    module: str
    linear: bool = False
    parameters: float = 0.0

    @property
    def stage(self) -> str:
        """Its stage of code."""
        return f"architecture_{self.module}"

    def build(self, width: float) -> tuple[Any, list[int], list[int]]:
        """The network with random weights; width: factor of its channels."""
        return import_module(f"{FOLDER}.{self.module}").build(width)


ARCHITECTURES: dict[str, Architecture] = {
    "lenet": Architecture("lenet", linear=True, parameters=0.061),
    "fewshot_net": Architecture("fewshot_net", linear=True, parameters=0.113),
    # of segmentation (Tan et al. 2021, section 3); FCN-8s and SegNet as the SegNet paper counts them, FRRN as its own
    "fcn8s": Architecture("fcn8s", parameters=134.5),
    "unet": Architecture("unet", parameters=31.03),
    "segnet": Architecture("segnet", parameters=29.45),
    "pspnet": Architecture("pspnet", parameters=46.6),
    "frrn_a": Architecture("frrn_a", parameters=17.7),
    "frrn_b": Architecture("frrn_b", parameters=24.8),
}


def stages_of(name: str) -> list[str]:
    """Stages of code that a backbone of a name adds to keys: none for timm's and the miniature HRNet."""
    return [ARCHITECTURES[name].stage] if name in ARCHITECTURES else []
