"""The captions of the Snakemake report: valid templates and reStructuredText, the right words."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from docutils.core import publish_parts
from jinja2 import Environment, StrictUndefined

from transfer_atlas.planning.products import FINDINGS, TABLES

REPORT = Path(__file__).parents[3] / "report"


def render(name, wildcards=None, output="results/tables/gains.parquet", config=None, categories=None):
    """A caption as Snakemake 9 renders it: Jinja with `snakemake` and `categories`, then docutils."""
    environment = Environment(trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    template = environment.from_string((REPORT / name).read_text(encoding="utf-8"))
    snakemake = SimpleNamespace(wildcards=wildcards or {}, output=[output], config=config or {}, params={})
    text = template.render(snakemake=snakemake, categories=categories or {}, files=[])
    for category in categories or {}:
        text += f"\n\n.. _{category.name}: javascript:nothing"
    strict = {"report_level": 1, "halt_level": 2}
    return publish_parts(text, writer="html", settings_overrides=strict)["html_body"]


@pytest.mark.parametrize("name", sorted(path.name for path in REPORT.glob("*.rst")))
def test_captions_are_valid_without_any_wildcard(name):
    assert len(render(name)) > 300


def test_captions_name_regime_and_task_type():
    html = render("gains_heat_map.rst", {"regime": "small_target", "target_task_type": "depth"})
    assert "Relative transfer gain to depth, small target regime." in html
    assert "full target regime" in render("effects.rst", {"regime": "full_target"})


@pytest.mark.parametrize("table", [FINDINGS, *sum(TABLES.values(), ())])
def test_every_table_is_named_beside_the_report(table):
    assert f">{table}</tt>" in render("page.rst", output="results/report.html")


def test_front_page_names_study_and_categories():
    categories = {_Category("Gain maps"): {}, _Category("Effects"): {}}
    config = {"study": "miniature", "regimes": {"small_target": {"target_images": 12}, "full_target": {}}}
    html = render("workflow.rst", config=config, categories=categories)
    assert "miniature" in html and "Gain maps</a>" in html
    assert "<em>small target</em>: 12 training images of each target" in html
    assert "<em>full target</em>: all training images of each target" in html


class _Category:
    """As Snakemake's: has a name, sorts by it."""

    def __init__(self, name):
        self.name = name

    def __lt__(self, other):
        return self.name < other.name
