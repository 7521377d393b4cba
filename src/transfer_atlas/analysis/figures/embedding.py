"""Where the images of datasets, or of task types, lie to each other: t-SNE with cosine distances (Fig. 9 of
Mensink et al.).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from sklearn.manifold import TSNE

from transfer_atlas.analysis.figures import style
from transfer_atlas.analysis.figures.scores import domain_looks
from transfer_atlas.analysis.tables.scores import ImageFeatures
from transfer_atlas.study.task import type_of_source

IMAGES = 150  # of each dataset, as in the paper
PERPLEXITY = 30.0
ORDER = style.DOMAIN_ORDER + style.TASK_TYPE_ORDER  # of groups
FEWEST = 4  # images in all of which t-SNE can make a picture


def look_figures(
    seen: Iterable[ImageFeatures], backbone: str, appearance_of: Iterable[str]
) -> Iterator[Figure]:
    """All datasets as `backbone` sees them (Fig. 9a), then every dataset of `appearance_of` as each network that was
    trained on it does, the same images each time (Figs. 9b and 9c).
    """
    seen = list(seen)
    of_backbone = [each for each in seen if each.backbone == backbone]
    points = embedding({each.dataset: each.features for each in of_backbone})
    network = "ILSVRC" if backbone == "ilsvrc" else backbone
    title = f"Look of the images of every dataset, features of {network} (t-SNE, cosine distance)"
    yield embedding_figure(points, title, {each.dataset: each.domain for each in of_backbone})
    for dataset in appearance_of:
        networks = {each.backbone: each.features for each in seen if each.dataset == dataset}
        types = {name: type_of_source(name) or "classification" for name in networks}
        title = (
            f"The same images of {dataset} as networks of other task types see them (t-SNE, cosine distance)"
        )
        yield embedding_figure(embedding(networks, same_images=True), title, types)


def embedding(
    features: Mapping[str, np.ndarray],
    *,
    seed: int = 0,
    images: int = IMAGES,
    same_images: bool = False,
) -> pd.DataFrame:
    """Points of t-SNE with cosine distances, which leave out how large the features of a network are.

    features: by name (a dataset, or a network that saw the same images) an array (n, d) of one d. At most `images` of
    each are taken, drawn by `seed`; same_images: the same rows of every array. Returns name, x, y; empty for fewer than
    four images in all.
    """
    generator = np.random.default_rng(seed)
    chosen = {}
    for name in sorted(features):
        rows = np.asarray(features[name], dtype=np.float64)
        if same_images:
            generator = np.random.default_rng(seed)
        kept = np.sort(generator.permutation(len(rows))[:images])
        chosen[name] = rows[kept]
    names = np.repeat(list(chosen), [len(rows) for rows in chosen.values()]) if chosen else np.empty(0, str)
    if len(names) < FEWEST:
        return pd.DataFrame({"name": [], "x": [], "y": []})
    together = np.concatenate(list(chosen.values()))
    perplexity = min(PERPLEXITY, (len(together) - 1) / 3)
    model = TSNE(metric="cosine", init="random", perplexity=perplexity, random_state=seed)
    points = model.fit_transform(together)
    return pd.DataFrame({"name": names, "x": points[:, 0].astype(float), "y": points[:, 1].astype(float)})


def embedding_figure(points: pd.DataFrame, title: str, groups: Mapping[str, str] | None = None) -> Figure:
    """Points of `embedding`, a shape for each group (such as the image domain of a dataset), names at their middles.

    Without groups every name is one. Axes have no unit: only who lies beside whom means something.
    """
    if points.empty:
        figure = style.new_figure(6.6, 1.2)
        words = "fewer than four images: nothing to show"
        figure.text(0.5, 0.5, words, ha="center", va="center", fontsize=11, color=style.FAINT_INK)
        return figure
    groups = dict(groups or {name: name for name in points["name"]})
    looks = domain_looks(style.ordered({groups[name] for name in points["name"]}, ORDER))
    lines = math.ceil(len(looks) / 5)
    height = 6.4 + 0.22 * lines
    figure = style.new_figure(7.0, height)
    axes = figure.add_axes((0.03, (0.1 + 0.22 * lines) / height, 0.94, 5.8 / height))
    for group, look in looks.items():
        part = points[[groups[name] == group for name in points["name"]]]
        axes.scatter(part["x"], part["y"], s=13, linewidths=0.4, **look)
    for name, part in points.groupby("name", sort=True):
        box = {"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.75}
        place = {"ha": "center", "va": "center", "fontsize": 7.5, "color": style.INK, "bbox": box}
        axes.text(part["x"].median(), part["y"].median(), name, **place)
    axes.margins(0.1)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(color=style.FAINT_INK, linewidth=0.6)
    figure.text(0.03, 1 - 0.12 / height, title, va="top", fontsize=10.5, color=style.INK)
    handles = [
        Line2D(
            [], [], ls="", marker=look["marker"], markerfacecolor=look["facecolor"], markeredgecolor=style.INK,
            markersize=5.5, markeredgewidth=0.5, label=style.in_words(group),
        )
        for group, look in looks.items()
    ]  # fmt: skip
    figure.legend(handles=handles, loc="lower left", ncols=5, fontsize=8, frameon=False, handletextpad=0.2)
    return figure
