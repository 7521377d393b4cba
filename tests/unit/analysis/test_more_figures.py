"""Figures of distances, absolute metrics, single metrics by target, and the look of datasets."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from transfer_atlas.analysis.figures.embedding import embedding, embedding_figure, look_figures
from transfer_atlas.analysis.figures.matrix import absolute_figure, distance_figure, matrix_figure
from transfer_atlas.analysis.figures.style import luminance, save_figure
from transfer_atlas.analysis.figures.targets import target_scatter
from transfer_atlas.analysis.published.factors_of_influence import (
    published_datasets,
    published_distances,
    published_gains,
)
from transfer_atlas.analysis.published.metric_pairs import segmentation_272_pairs
from transfer_atlas.analysis.published.tables import distances_table
from transfer_atlas.analysis.tables.scores import ImageFeatures

FOLDER = Path(__file__).parents[3] / "resources" / "published"


def cells_of(figure):
    """Number and luminance of every cell by its centre."""
    axes = figure.axes[0]
    fills = {
        (patch.get_x() + 0.5, patch.get_y() + 0.5): luminance(patch.get_facecolor()) for patch in axes.patches
    }
    words = {text.get_position(): text.get_text() for text in axes.texts}
    return {place: (words[place], fill) for place, fill in fills.items()}


def test_figure_8_shows_every_printed_distance():
    distances = distances_table(published_distances(FOLDER), published_datasets(FOLDER))
    cells = cells_of(distance_figure(distances))
    assert len(cells) == 17 * 16
    numbers = {int(words): fill for words, fill in cells.values()}
    assert min(numbers) == 10 and max(numbers) == 45
    assert numbers[10] > numbers[20] > numbers[30 if 30 in numbers else 29] > numbers[45]  # near is light
    assert "17.5" in str([words for words, _ in cells_of(distance_figure(distances, "symmetric")).values()])


def test_absolute_metrics_are_coloured_row_by_row():
    figure = absolute_figure(published_gains(FOLDER), "small_target", "segmentation")
    texts = figure.axes[0].texts
    labels = {text.get_text(): text.get_position() for text in texts if text.get_rotation() == 90}
    (line,) = (
        text.get_position()[1]
        for text in texts
        if text.get_text() == "pascal_voc" and not text.get_rotation()
    )
    row = {x: cell for (x, y), cell in cells_of(figure).items() if y == pytest.approx(line)}
    row = {round(x, 6): cell for x, cell in row.items()}
    best = row[round(labels["coco"][0], 6)]
    assert best[0] == "0.71" and best[1] == min(fill for _, fill in row.values())
    scratch = row[round(labels["Scratch"][0], 6)]
    assert scratch[0] == "0.09" and scratch[1] == max(fill for _, fill in row.values())
    assert "0.54" in [words for words, _ in row.values()]  # ILSVRC
    assert "one seed" in figure.texts[0].get_text()


def test_errors_are_dark_where_they_are_small():
    gains = published_gains(FOLDER)
    rows = gains[(gains["regime"] == "small_target") & (gains["target"] == "depth/sun_rgbd")].head(3)
    rows = rows.assign(value=[1.0, 2.0, 3.0], baseline=2.5)
    cells = cells_of(absolute_figure(rows, "small_target", "depth"))
    fills = dict(cells.values())
    assert fills["1.00"] < fills["2.00"] < fills["3.00"]


def test_random_weights_that_are_no_worse_have_their_own_colour():
    gains = published_gains(FOLDER)
    rows = gains[(gains["regime"] == "small_target") & (gains["target"] == "segmentation/camvid")].head(3)
    rows = rows.assign(value=[0.1, 0.3, 0.2], baseline=0.4)
    rows["source"] = [*rows["source"][:2], "scratch"]
    fills = dict(cells_of(absolute_figure(rows, "small_target", "segmentation")).values())
    assert fills["0.30"] < fills["0.20"] < fills["0.10"]


def test_nothing_to_show_is_said():
    assert matrix_figure(pd.DataFrame(), "x", decimals=0).texts[0].get_text() == "nothing to show"
    pairs = segmentation_272_pairs(FOLDER)
    assert "no target with three sources" in target_scatter(pairs, "full_target", "gbc").texts[0].get_text()
    assert "fewer than four" in embedding_figure(embedding({}), "x").texts[0].get_text()


def test_a_panel_for_each_target_with_its_tau():
    figure = target_scatter(segmentation_272_pairs(FOLDER), "small_target", "gbc")
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert len(titles) == 17 and "segmentation/bdd: tau 0.85" in titles
    dots = {axes.get_title(loc="left"): axes.collections for axes in figure.axes}
    assert len(dots["segmentation/bdd: tau 0.85"][0].get_offsets()) == 16
    assert len(dots["segmentation/bdd: tau 0.85"]) == 2  # the favourite is the best: one mark
    assert len(dots["segmentation/coco: tau \N{MINUS SIGN}0.05"]) == 3


@pytest.fixture(scope="module")
def features():
    generator = np.random.default_rng(0)
    middles = {"near_a": [9, 0, 0], "near_b": [9, 1, 0], "far": [0, 0, 9]}
    found = {
        name: np.array(middle) + 0.5 * generator.normal(size=(40, 3)) for name, middle in middles.items()
    }
    return found | {"near_b": 100 * found["near_b"]}  # cosine distances do not see how large features are


def test_the_embedding_keeps_neighbours_together_whatever_their_scale(features):
    middles = embedding(features).groupby("name")[["x", "y"]].median()
    near = np.linalg.norm(middles.loc["near_a"] - middles.loc["near_b"])
    far = np.linalg.norm(middles.loc["near_a"] - middles.loc["far"])
    assert near < far / 2


def test_looks_are_of_one_backbone_then_of_all_networks_of_a_dataset(features):
    seen = [ImageFeatures(name, "aerial", "ilsvrc", array, name) for name, array in features.items()]
    seen.append(ImageFeatures("far", "aerial", "depth/far", features["far"], "x"))
    of_all, of_one = look_figures(seen, "ilsvrc", ["far"])
    assert {text.get_text() for text in of_all.axes[0].texts} == {"near_a", "near_b", "far"}
    assert {text.get_text() for text in of_one.axes[0].texts} == {"ilsvrc", "depth/far"}
    legend = [text.get_text() for text in of_one.legends[0].get_texts()]
    assert legend == ["depth", "classification"]


def test_networks_are_compared_on_the_same_images(monkeypatch):
    taken = []
    monkeypatch.setattr(
        "transfer_atlas.analysis.figures.embedding.TSNE.fit_transform",
        lambda self, rows: taken.append(rows) or rows[:, :2],
    )
    numbers = np.arange(60.0).reshape(30, 2)
    embedding({"a": numbers, "b": numbers}, images=5, same_images=True)
    np.testing.assert_array_equal(taken[0][:5], taken[0][5:])


def test_the_embedding_comes_from_the_seed_and_takes_so_many_images(features, tmp_path):
    first, again = (embedding(features, seed=3, images=10) for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
    assert (first.groupby("name").size() == 10).all()
    for name in ("a", "b"):
        save_figure(
            embedding_figure(first, "Appearance", {n: n[:4] for n in features}), tmp_path / f"{name}.png"
        )
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
