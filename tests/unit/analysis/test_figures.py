"""The figures: arrangement as in Table 3a, cells without a number, greyscale, deterministic bytes."""

import numpy as np
import pytest
from analysis_examples import DATASETS, published_gains, transfer_record

from transfer_atlas.analysis.figures import style
from transfer_atlas.analysis.figures.effects import effects_figure
from transfer_atlas.analysis.figures.heat_map import gain_heat_map
from transfer_atlas.analysis.tables import transfers as tables

TASKS = ("segmentation/coco", "segmentation/camvid", "segmentation/sun")


def small_study(seeds=(0, 1)):
    """Three by three: sun <- coco failed, sun <- camvid was not run, the others gain +-10 % by seed."""
    records = []
    for target in TASKS:
        for seed in seeds:
            records.append(transfer_record("ilsvrc", target, 0.4, seed))
            for source in TASKS:
                if source == target or (source, target) == (TASKS[1], TASKS[2]):
                    continue
                failed = (source, target) == (TASKS[0], TASKS[2])
                value = None if failed else 0.44 if seed == 0 else 0.36
                records.append(transfer_record(source, target, value, seed))
    return tables.gains_table(tables.transfers_table(records, DATASETS))


def words(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_arrangement_of_table_3a():
    """Section 5.2: grouped by image domain, inside a domain ordered by size; Scratch last."""
    figure = gain_heat_map(published_gains(), "small_target", "segmentation")
    places = {
        text.get_text(): text.get_position() for text in figure.axes[0].texts if text.get_rotation() == 90
    }
    columns = sorted((name for name in places if name != "Target"), key=lambda name: places[name][0])
    assert columns == [
        *("isprs", "isaid"),
        *("pascal_context", "pascal_voc", "ade20k", "coco"),
        *("kitti", "camvid", "cityscapes", "bdd", "idd", "mapillary"),
        *("sun_rgbd", "scannet"),
        "suim",
        *("vkitti2", "vgallery"),
        "Multi",
        "Scratch",
    ]
    shown = words(figure)
    assert {"Source", "Target", "aerial", "118K", "1.5K", "150"} <= set(shown)
    assert shown.count("aerial") == 2  # above its columns and beside its rows


def test_every_published_cell_is_printed():
    gains = published_gains()
    shown = words(gain_heat_map(gains, "small_target"))
    printed = {style.signed(gain) for gain in gains["gain"]}
    assert printed <= set(shown)
    assert "\N{MINUS SIGN}84" in shown and "-84" not in shown
    assert shown.count("·") == 17 * 19 - 17 - len(gains)  # the targets that Multi was trained on


def test_cells_without_a_number_are_told_apart():
    shown = words(gain_heat_map(small_study(), "small_target"))
    assert shown.count("\N{MULTIPLICATION SIGN}") == 1  # failed
    assert shown.count("·") == 1  # not in the study
    assert shown.count("±14") == 4  # +10 and -10: standard deviation 14.1


def test_one_seed_shows_no_spread():
    assert not any("±" in word for word in words(gain_heat_map(small_study(seeds=(0,)), "small_target")))


def test_negative_is_darker_than_positive_of_the_same_size():
    """So that the sign survives printing without colour."""
    colours, norm = style.gain_colour_map(), style.gain_norm()
    for gain in (5.0, 10.0, 20.0, 50.0, 200.0):
        positive, negative = (style.luminance(colours(norm(sign * gain))) for sign in (1, -1))
        assert negative < positive - 0.1, gain
    # The darkest green is lighter than any purple below -15.
    assert style.luminance(colours(norm(500.0))) > style.luminance(colours(norm(-15.0)))


def test_colours_end_at_the_limit_and_are_white_at_zero():
    norm = style.gain_norm()
    assert norm(-200.0) == norm(-style.COLOUR_LIMIT) == 0.0
    assert norm(200.0) == norm(style.COLOUR_LIMIT) == 1.0
    assert np.allclose(style.gain_colour_map()(norm(0.0)), 1.0, atol=0.01)


@pytest.mark.parametrize(
    ("number", "expected"), [(-3.4, "\N{MINUS SIGN}3"), (-0.4, "0"), (0.0, "0"), (72.6, "73")]
)
def test_signed_numbers(number, expected):
    assert style.signed(number) == expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (150, "150"),
        (1525, "1.5K"),
        (3000, "3K"),
        (9999, "10K"),
        (118287, "118K"),
        (999999, "1M"),
        (1.2e6, "1.2M"),
    ],
)
def test_image_counts(count, expected):
    assert style.image_count(count) == expected


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_figures_are_the_same_to_the_last_byte(suffix, tmp_path):
    for name in ("first", "second"):
        style.save_figure(gain_heat_map(small_study(), "small_target"), tmp_path / f"{name}.{suffix}")
        style.save_figure(effects_figure(small_study(), "small_target"), tmp_path / f"{name}_e.{suffix}")
    for stem in ("{}", "{}_e"):
        first, second = (
            (tmp_path / f"{stem.format(name)}.{suffix}").read_bytes() for name in ("first", "second")
        )
        assert first == second
        assert b"dc:date" not in first  # the two were drawn in the same second, perhaps


def test_a_regime_without_transfers_gives_a_figure_that_says_so():
    for draw in (gain_heat_map, effects_figure):
        figure = draw(small_study(), "full_target")
        assert "no transfers" in figure.texts[0].get_text()


def test_effects_figure_draws_every_gain_once():
    gains = published_gains()
    strips, bars = effects_figure(gains, "small_target").axes
    assert sum(len(dots.get_offsets()) for dots in strips.collections) == 282  # Scratch is not drawn
    labels = [text.get_text() for text in bars.texts]
    assert {"58 transfers", "224 transfers"} <= set(labels)


def one_target(values, metric="map", target="detection/bdd"):
    records = [
        transfer_record(source, target, value, seed, metric=metric)
        for source, of_seeds in values.items()
        for seed, value in enumerate(of_seeds)
    ]
    return tables.gains_table(tables.transfers_table(records, DATASETS))


def test_the_baseline_and_the_number_of_seeds_are_shown():
    gains = one_target(
        {"ilsvrc": [0.3, 0.302], "segmentation/bdd": [0.36, 0.36], "segmentation/sun": [0.31, 0.31]}
    )
    figure = gain_heat_map(gains, "small_target", "detection")
    shown = words(figure)
    assert "0.301" in shown and "from\nILSVRC" in shown
    assert "2 seeds" in figure.texts[0].get_text()
    assert "one seed" in gain_heat_map(published_gains(), "small_target").texts[0].get_text()
    assert (
        "sign turned"
        in gain_heat_map(
            one_target({"ilsvrc": [3.0], "segmentation/bdd": [2.0]}, "rmse", "depth/sun"), "small_target"
        )
        .texts[0]
        .get_text()
    )


def test_the_task_type_of_sources_is_told_where_it_is_not_the_target_s():
    gains = one_target({"ilsvrc": [0.3], "segmentation/bdd": [0.36]})
    assert "segmentation" in words(
        gain_heat_map(gains, "small_target", "detection")
    )  # one type only, and another
    assert "segmentation" not in words(gain_heat_map(published_gains(), "small_target", "segmentation"))


def test_bold_is_what_is_positive_beyond_noise():
    gains = one_target(
        {"ilsvrc": [0.3, 0.302], "segmentation/bdd": [0.36, 0.36], "segmentation/sun": [0.30, 0.32]}
    )
    weights = {
        text.get_text(): text.get_weight() for text in gain_heat_map(gains, "small_target").axes[0].texts
    }
    assert weights["20"] == "bold"  # bdd
    assert weights["3"] == "normal"  # sun: positive in the mean, not beyond noise
    alone = gain_heat_map(one_target({"ilsvrc": [0.3], "segmentation/bdd": [0.36]}), "small_target")
    assert all(text.get_weight() != "bold" for text in alone.axes[0].texts if text.get_text() == "20")
    assert "one seed: noise is not known" in [text.get_text() for axes in alone.axes for text in axes.texts]


def test_gains_over_a_baseline_at_chance_are_dotted():
    gains = one_target({"ilsvrc": [0.005], "segmentation/bdd": [0.008]})
    figure = gain_heat_map(gains, "small_target")
    assert [patch.get_hatch() for patch in figure.axes[0].patches] == ["...."]
    assert "ILSVRC itself at chance level" in [text.get_text() for axes in figure.axes for text in axes.texts]
    bars = effects_figure(gains, "small_target")
    assert "no transfers" in bars.texts[0].get_text()  # none that counts


def test_the_key_lists_marks_that_occur():
    keys = [
        text.get_text()
        for axes in gain_heat_map(published_gains(), "small_target").axes[1:]
        for text in axes.texts
    ]
    assert "failed or missing" not in keys and "source is the target" in keys


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [([1, 1], "one seed"), ([3], "3 seeds"), ([1, 3], "1 to 3 seeds"), ([0], "no finished seed")],
)
def test_numbers_of_seeds_in_words(seeds, expected):
    assert style.seeds_in_words(seeds) == expected
