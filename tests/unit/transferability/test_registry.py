"""The registry of metrics: complete, lazy, callable as it says; and ties within rounding."""

from __future__ import annotations

import inspect
import subprocess
import sys

import numpy as np
import pytest
from metric_examples import labelled, predictions

from transfer_atlas.scoring.registry import COMBINED, METRICS, values_of
from transfer_atlas.transferability import MetricInputError, class_moments
from transfer_atlas.transferability import __all__ as public
from transfer_atlas.transferability.ties import rounded


def inputs() -> dict[str, np.ndarray | int]:
    features, labels = labelled(1)
    others, classes = labelled(2, n=80)
    theta = predictions(1, 120, 6)
    generator = np.random.default_rng(0)
    return {
        "features": features,
        "labels": labels,
        "targets": features[:, 0] + generator.standard_normal(120),
        "places": generator.random((120, 2)) / 2,  # in four of sixteen superpixels
        "boxes": generator.uniform(0.2, 0.8, (120, 4)),
        "probabilities": theta,
        "logits": np.log(theta),
        "source_features": others,
        "source_labels": classes,
        "source_classes": theta.argmax(axis=1),
        "target_images": features,
        "source_images": others,
        "seed": 3,
    }


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_called_with_what_it_needs(name):
    metric, given = METRICS[name], inputs()
    function = metric.load()
    arguments = [given[need] for need in metric.needs if need != "seed"]
    keywords = {"seed": given["seed"]} if "seed" in metric.needs else {}
    positional = [
        p for p in inspect.signature(function).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD
    ]
    assert len(positional) == len(arguments)
    found = values_of(name, function(*arguments, **keywords))
    assert tuple(found) == metric.values
    assert all(np.isfinite(value) for value in found.values())
    assert metric.stage_module.startswith("transferability/")
    if metric.from_moments:
        moments = class_moments(given["features"], given["labels"])
        shared = metric.load_from_moments()
        wanted = len(
            [p for p in inspect.signature(shared).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        )
        again = shared(*(moments, given["features"], given["labels"])[:wanted], **keywords)
        assert values_of(name, again)[name] == pytest.approx(found[name], abs=1e-9)


def test_every_public_metric_is_registered():
    functions = {metric.function.split(":")[1] for metric in METRICS.values()}
    helpers = {"class_moments", "combine_parts", "fit_coefficients", "leave_one_target_out"}
    assert {name for name in public if name.islower()} - helpers == functions


def test_combined_scores_are_of_values_that_exist():
    names = {value for metric in METRICS.values() for value in metric.values}
    assert len(names) == sum(len(metric.values) for metric in METRICS.values())
    assert {value for parts in COMBINED.values() for value in parts} <= names


def test_better_features_score_higher_where_higher_is_better():
    given = inputs()
    better = {**given, "features": 3 * np.eye(4)[given["labels"]] @ np.eye(4, 5) * 3 + given["features"]}
    for name in ("logme", "gbc", "h_score", "shrinkage_h_score", "parc", "sfda", "pactran_gaussian"):
        metric = METRICS[name]
        scores = [metric.load()(*(side[need] for need in metric.needs)) for side in (given, better)]
        assert (scores[1] > scores[0]) == metric.higher_is_better, name


def test_reading_the_table_imports_no_heavy_library():
    code = (
        "import sys, importlib.util, types\n"
        "import transfer_atlas, pathlib\n"
        "package = types.ModuleType('transfer_atlas.transferability')\n"
        "package.__path__ = [str(pathlib.Path(transfer_atlas.__file__).parent / 'transferability')]\n"
        "sys.modules['transfer_atlas.transferability'] = package\n"
        "import transfer_atlas.scoring.registry as table\n"
        "assert len(table.METRICS) > 20\n"
        "assert not {'torch', 'ot', 'scipy', 'sklearn', 'numpy', 'pandas'} & set(sys.modules), set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    whole = (
        "import sys, transfer_atlas.scoring.registry\n"
        "assert not {'torch', 'ot', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", whole], check=True)


def test_scores_that_differ_by_rounding_are_tied():
    scores = np.array([3.0, 3.0 + 1e-15, 2.0, np.nan, 3.0 - 2e-15, -1.0, np.inf])
    found = rounded(scores, 1e-9)
    assert found[0] == found[1] == found[4]
    assert found[0] == pytest.approx(3.0, abs=1e-14)
    np.testing.assert_array_equal(found[[2, 3, 5, 6]], [2.0, np.nan, -1.0, np.inf])
    np.testing.assert_array_equal(rounded(scores, 0), scores)
    np.testing.assert_array_equal(rounded(np.array([1.0, 1.05, 1.1, 5.0]), 0.02), [1.05, 1.05, 1.05, 5.0])
    assert np.isnan(rounded(np.full(3, np.nan), 1e-9)).all()
    with pytest.raises(MetricInputError, match="tie is -1"):
        rounded(scores, -1)
