"""The picture of a recommendation: images of the target, and beside each the closest one of every named source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from transfer_atlas.analysis.figures.style import INK, new_figure, save_figure
from transfer_atlas.analysis.recommendation.candidates import Nearest
from transfer_atlas.datasets.reading import PreparedDataset

IMAGES = 6  # of the target, spread over its distances from the first source
CELL = 1.5  # inches
TASK_TYPES = ("segmentation", "detection", "keypoints", "depth", "normals", "classification")


def chosen_images(nearest: Nearest, number: int = IMAGES) -> np.ndarray:
    """Positions of target images from the closest to the farthest: evenly spaced in the order of their distances."""
    order = np.argsort(nearest.distances, kind="stable")
    return order[np.unique(np.linspace(0, len(order) - 1, min(number, len(order))).round().astype(int))]


def nearest_figure(
    target: str, images: Sequence[np.ndarray], sources: Mapping[str, Sequence[tuple[np.ndarray, float]]]
) -> Figure:
    """Images (H, W, 3) uint8 of the target in the first row; below, of each source the closest with its distance."""
    rows = 1 + len(sources)
    figure = new_figure(CELL * len(images) + 1.2, CELL * rows + 0.3)
    figure.set_layout_engine("constrained")
    axes = figure.subplots(rows, len(images), squeeze=False)
    named = {target: [(image, None) for image in images], **sources}
    for row, (name, shown) in enumerate(named.items()):
        for column, (image, distance) in enumerate(shown):
            axis = axes[row, column]
            axis.imshow(image)
            axis.set_xticks([])
            axis.set_yticks([])
            if distance is not None:
                axis.set_xlabel(f"{distance:.3g}", fontsize=7, color=INK)
        axes[row, 0].set_ylabel(name.replace("/", "/\n"), fontsize=8, color=INK)
    figure.suptitle(
        "Images of the target, and the closest of each source (distance of features)", fontsize=9, color=INK
    )
    return figure


def draw_nearest(
    target: str,
    nearest: Mapping[str, Nearest],
    images: Mapping[str, tuple[Path, np.ndarray]],
    place: str,
    paths: Sequence[Path],
) -> None:
    """Read the images and write the figure.

    nearest: of the sources to show. images: by place, the prepared dataset's folder and the positions (n,) of the
    training
    images whose features were pooled.
    """
    chosen = chosen_images(next(iter(nearest.values())))
    open_sets = {name: PreparedDataset.open(folder) for name, (folder, _) in images.items()}

    def read(where: str, position: int) -> np.ndarray:
        opened = open_sets[where]
        task_type = next(name for name in TASK_TYPES if getattr(opened.description, name) is not None)
        sample = opened.read("train", [int(images[where][1][position])], task_type)[0]
        return np.moveaxis(np.asarray(sample.image), 0, -1)

    own = [read(place, position) for position in chosen]
    sources = {
        name: [
            (read(str(found.places[at]), int(found.positions[at])), float(found.distances[at]))
            for at in chosen
        ]
        for name, found in nearest.items()
    }
    figure = nearest_figure(target, own, sources)
    save_figure(figure, *paths)
