"""The page itself: views of the study into Jinja2 templates, with style, charts and tables' code inside one file."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import vl_convert
from altair.utils.schemapi import debug_mode
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from transfer_atlas.analysis.report import words
from transfer_atlas.analysis.report.answers import answers, next_steps, seeds_of
from transfer_atlas.analysis.report.atdt import atdt
from transfer_atlas.analysis.report.charts import effects_chart
from transfer_atlas.analysis.report.combinations import combinations
from transfer_atlas.analysis.report.datasets import dataset_pages
from transfer_atlas.analysis.report.elsewhere import elsewhere
from transfer_atlas.analysis.report.findings import findings
from transfer_atlas.analysis.report.heat_maps import heat_maps
from transfer_atlas.analysis.report.methods import methods
from transfer_atlas.analysis.report.metrics import metrics
from transfer_atlas.analysis.report.overview import overview
from transfer_atlas.analysis.report.pictures import budget_of, gallery
from transfer_atlas.analysis.report.published import beside
from transfer_atlas.analysis.report.study import ReportedStudy, relative
from transfer_atlas.analysis.report.subtasks import subtasks
from transfer_atlas.analysis.report.targets import target_pages

PAGE_FILES = files("transfer_atlas.analysis.report") / "page_files"
SHOWN_AS_TABLES = "gains_"  # figures that the page has as heat maps of its own


def write_report(study: ReportedStudy, path: Path) -> None:
    """Write the report of a study: one HTML file that needs nothing else and no network."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Altair checks each part of a chart at every step of making it, which takes longer than making it. Tests see to
    # charts being as Vega-Lite wants them.
    with debug_mode(False):
        path.write_text(report_as_html(study), encoding="utf-8")


def report_as_html(study: ReportedStudy) -> str:
    """The report as text. Whatever comes from a study or a dataset is escaped."""
    environment = Environment(
        loader=PackageLoader("transfer_atlas.analysis.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "words": words.in_words,
        "lower_first": lambda text: text[:1].lower() + text[1:],
        "anchor": lambda name, kind: words.anchor(kind, name),
    }
    targets, datasets = target_pages(study), dataset_pages(study)
    effects = study.tables["effects"]
    return environment.get_template("report.html").render(
        study=study.facts["study"],
        facts=study.facts,
        seeds=seeds_of(study),
        answers=answers(study),
        next_steps=next_steps(study),
        overview=overview(study),
        heat_maps=heat_maps(study),
        effects=[
            (regime, chart)
            for regime in study.regimes
            if (chart := effects_chart(effects[effects["regime"] == regime])) is not None
        ],
        gains=_all_gains(study),
        targets=targets,
        datasets=datasets,
        metrics=metrics(study),
        methods=methods(study),
        combinations=combinations(study),
        subtasks=subtasks(study),
        elsewhere=elsewhere(study),
        findings=findings(study),
        published=beside(study),
        atdt=atdt(study),
        figures=_figures(study),
        style=_inside("style.css", "datatables/dataTables.dataTables.min.css"),
        tables_code=_inside("datatables/dataTables.min.js"),
        charts_code=_script(vl_convert.javascript_bundle()),
        glue=_inside("glue.js"),
    )


def _all_gains(study: ReportedStudy) -> list[list[Any]]:
    """Every gain as a row of the page's largest table, which is drawn from data: source, target, regime, numbers."""
    rows = []
    for row in study.tables["gains"].to_dict("records"):
        if row["source"] == "ilsvrc":
            continue
        effect = row["decided_effect"] if words.known(row["decided_effect"]) else row["effect"]
        key = next((key for key in row["keys"] if words.known(key)), None)
        rows.append(
            [
                words.source_in_words(row["source"]),
                row["target"],
                words.in_words(row["regime"]),
                round(row["gain"], 2) if words.known(row["gain"]) else None,
                round(row["gain_low"], 2) if words.known(row["gain_low"]) else None,
                round(row["gain_high"], 2) if words.known(row["gain_high"]) else None,
                words.EFFECTS.get(effect, "") if words.known(row["gain"]) else words.in_words(row["status"]),
                round(row["value"], 4) if words.known(row["value"]) else None,
                int(row["n_seeds"]),
                [key, study.run_file(key)] if key else None,
            ]
        )
    return rows


def _figures(study: ReportedStudy) -> list[tuple[str, Any]]:
    """Figures of the study that the page does not draw itself; too large ones as links."""
    shown = [path for path in study.figures if not path.name.startswith(SHOWN_AS_TABLES)]
    titles = [words.in_words(path.stem).capitalize() for path in shown]
    entries = [(path, relative(path, study.place), title) for path, title in zip(shown, titles, strict=True)]
    made = gallery(entries, "figure", budget_of("figure", len(study.tables["transfers"])))
    return [(title, found) for title, found in zip(titles, made, strict=True) if found is not None]


def _inside(*names: str) -> Markup:
    """Files of the page as they are."""
    return _script("\n".join((PAGE_FILES / name).read_text(encoding="utf-8") for name in names))


def _script(code: str) -> Markup:
    """Code that may stand inside a script or style element: no end tag within it ends that early."""
    return Markup(code.replace("</script", "<\\/script").replace("<!--", "<\\!--"))
