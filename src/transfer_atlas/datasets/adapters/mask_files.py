"""The masks that belong to images: the part of the settings that all adapters with masks share."""

from __future__ import annotations

import colorsys
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from transfer_atlas.datasets.adapters.base import relative_to
from transfer_atlas.datasets.adapters.masks import IGNORE, ColourMap, LabelMap, ValueRule
from transfer_atlas.datasets.adapters.patterns import Pattern, existing, fill
from transfer_atlas.datasets.encoding import LARGEST_MEGAPIXELS
from transfer_atlas.datasets.prepared import IGNORE_LABEL, IGNORE_LABEL_16_BITS
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.strict import Strict

Byte = Annotated[int, Field(ge=0, le=255)]
Colour = tuple[Byte, Byte, Byte]


class MaskFiles(Strict):
    """One mask per image: where it is, and which value or colour stands for which class."""

    masks: Pattern = Field(
        "masks/{split}/{stem}.png",
        description="Path of an image's mask below `path`, with the parts its image matched; {stem} is "
        "the image's file name without suffix, {parent} its folder's name, unless matched by name.",
    )
    classes: list[str] = Field(
        [],
        description="Names of the classes, in the order of their indices; by default those that `labels` names, by "
        "ascending value, or `mask_colours`, in alphabetical order.",
    )
    colours: list[Colour] | None = Field(
        None,
        description="Colour of each class in figures; by default those of the masks, or evenly spread hues.",
    )
    ignore_label: Annotated[int, Field(ge=0, le=65535)] | Literal["auto"] | None = Field(
        "auto",
        description="Value on disk of pixels that are neither trained nor evaluated; null: there are none. auto: 255, "
        "but a mask of 0 and 255 alone is refused where there are two classes, since 255 then often is the second.",
    )
    labels: dict[Annotated[int, Field(ge=0, le=65535)], str] | None = Field(
        None, description="Value on disk -> class name or `ignore`; by default the index of the class."
    )
    mask_colours: dict[str, Colour] | None = Field(
        None, description="Class name or `ignore` -> R, G, B, where the masks' colours are the labels."
    )

    channel: Literal["red", "green", "blue"] | None = Field(
        None, description="The channel of colour masks that holds the values (CARLA: red)."
    )
    divide: int = Field(
        1,
        ge=1,
        description="Values are divided by this, and rounded down: 256 for KITTI's instance PNG, 1000 for "
        "Cityscapes' (with `divide_from: 1000`).",
    )
    divide_from: int = Field(0, ge=0, description="Values below this are not divided.")
    fit: Literal["exact", "crop", "resize"] = Field(
        "exact",
        description="What becomes of a mask of another size than its image: an error; the part from the upper left "
        "corner if it is larger; or it is resized, taking the nearest pixel.",
    )
    unknown: Literal["error", "ignore"] = Field(
        "error",
        description="What values or colours of masks that are in no map are: an error, or ignored pixels.",
    )

    @model_validator(mode="before")
    @classmethod
    def _name_classes(cls, values: Any) -> Any:
        """Fill in the classes, so that their order is part of the settings, and with them of the key."""
        if not isinstance(values, dict) or values.get("classes") is not None:
            return values
        labels, colours = values.get("labels"), values.get("mask_colours")
        named = sorted(map(str, colours)) if isinstance(colours, dict) else []
        if isinstance(labels, dict) and all(isinstance(value, int) for value in labels):
            named = [name for _, name in sorted(labels.items())]
        named = [name for name in dict.fromkeys(named) if name != IGNORE]
        return values | {"classes": named} if named else values

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.classes:
            raise ValueError("classes: none; list them, or name them in `labels` or `mask_colours`")
        if IGNORE in self.classes:
            raise ValueError(f"classes: '{IGNORE}' stands for pixels left out, and cannot name a class")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("classes: a name occurs twice")
        if self.colours is not None and len(self.colours) != len(self.classes):
            raise ValueError(
                f"colours: {len(self.colours)} for {len(self.classes)} classes; expected one each"
            )
        if self.labels is not None and self.mask_colours is not None:
            raise ValueError("labels and mask_colours exclude each other: masks hold values or colours")
        for key, names in (
            ("labels", (self.labels or {}).values()),
            ("mask_colours", self.mask_colours or {}),
        ):
            unknown = sorted(set(names) - {*self.classes, IGNORE})
            if unknown:
                raise ValueError(f"{key}: {unknown} are not among the classes, nor '{IGNORE}'")
        if self.mask_colours is not None and len(set(self.mask_colours.values())) != len(self.mask_colours):
            raise ValueError("mask_colours: two classes have the same colour")
        return self


def describe_masks(masks: MaskFiles) -> dict[str, Any]:
    """Return the fields of a SegmentationDescription that the settings tell."""
    colours = masks.colours
    if colours is None and masks.mask_colours and set(masks.classes) <= set(masks.mask_colours):
        colours = [masks.mask_colours[name] for name in masks.classes]
    if colours is None:
        colours = spread_colours(len(masks.classes))
    return {"classes": masks.classes, "colours": colours}


def spread_colours(number: int) -> list[tuple[int, int, int]]:
    """Evenly spread hues, as R, G, B in 0..255."""
    hues = [index / number for index in range(number)]
    return [tuple(round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.7, 0.9)) for hue in hues]


def label_map(masks: MaskFiles, largest: float = LARGEST_MEGAPIXELS) -> LabelMap | ColourMap:
    """The map from values or colours on disk to classes; largest: megapixels."""
    ignore = IGNORE_LABEL if len(masks.classes) <= IGNORE_LABEL else IGNORE_LABEL_16_BITS
    lenient = masks.unknown == "ignore"
    if masks.mask_colours is not None:
        return ColourMap(masks.classes, ignore, masks.mask_colours, lenient, largest)
    auto = masks.ignore_label == "auto"
    rule = ValueRule(masks.channel, masks.divide, masks.divide_from)
    on_disk = 255 if auto else masks.ignore_label
    return LabelMap(masks.classes, ignore, on_disk, masks.labels, lenient, rule, auto, largest)


class MaskReader:
    """Reads the mask of an image, as the settings say."""

    def __init__(
        self, masks: MaskFiles, folder: Path, root: Path, largest: float = LARGEST_MEGAPIXELS
    ) -> None:
        """Make the map from disk to classes.

        folder: of the raw dataset; root: that messages are relative to; largest: megapixels.
        """
        self.pattern, self.folder, self.root, self.fit = masks.masks, folder, root, masks.fit
        self.map = label_map(masks, largest)

    def read(
        self,
        parts: dict[str, str],
        image_file: str,
        problems: Problems,
        size: tuple[int, int] | None = None,
    ) -> tuple[np.ndarray | None, str]:
        """Return the mask (H, W) of class indices and the name of its file.

        parts: of the pattern that the image matched; image_file: the image's name in messages; size: its width and
        height, to which the mask is fitted if the settings say so. The mask is None, and there is a problem, if it
        cannot be read or mapped.
        """
        path = existing(self.folder, fill(self.pattern, parts))
        mask_file = relative_to(path, self.root)
        where = f"{mask_file} (mask of {image_file})"
        mask = self.map.read(path, where, problems)
        if mask is not None and size is not None:
            mask = fitted(mask, size, self.fit, where, problems)
        return mask, mask_file


def fitted(
    mask: np.ndarray, size: tuple[int, int], fit: str, where: str, problems: Problems
) -> np.ndarray | None:
    """A mask (H, W) in the size (width, height) of its image, as `fit` says; None, and a problem, if it cannot be.

    With `exact` it is returned as it is: sizes are compared with everything else, once the image is decoded.
    """
    width, height = size
    if fit == "exact" or mask.shape == (height, width):
        return mask
    if fit == "crop" and mask.shape[0] >= height and mask.shape[1] >= width:
        return np.ascontiguousarray(mask[:height, :width])
    if fit == "resize":
        # the pixel that holds the centre of each pixel of the image
        rows = ((np.arange(height) + 0.5) * mask.shape[0] / height).astype(np.int64)
        columns = ((np.arange(width) + 0.5) * mask.shape[1] / width).astype(np.int64)
        return mask[rows[:, None], columns]
    found = f"mask of {mask.shape[1]} x {mask.shape[0]}"
    remedy = (
        "A mask can be cropped if it is larger in both directions: set `fit: resize`, or correct the files."
    )
    problems.add(where, found, f"the image's {width} x {height} (width x height)", remedy)
    return None
