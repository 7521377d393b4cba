"""Learning across tasks and domains in the report: the tables of its own page, in studies that have it."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from transfer_atlas.analysis.atdt.page import INTRODUCTION, sections
from transfer_atlas.analysis.report.study import ReportedStudy


def atdt(study: ReportedStudy) -> dict[str, object] | None:
    """Introduction, and headings with their tables, whose names are escaped already; None in a study without."""
    if "atdt_results" not in study.tables:
        return None
    found = sections(study.tables["atdt_results"], study.tables["atdt_findings"], study.published or Path())
    return {
        "introduction": INTRODUCTION,
        "sections": [(heading, Markup(table)) for heading, table in found],
    }
