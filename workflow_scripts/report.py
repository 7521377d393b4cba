"""Write the report: one HTML file made of the study's tables, figures and dataset cards."""

import json
from pathlib import Path

from transfer_atlas.analysis.report.page import write_report
from transfer_atlas.analysis.report.study import ReportedStudy, StudyTables
from transfer_atlas.planning.shown import stamp_like
from transfer_atlas.running.jobs import log_to

log_to(snakemake.log[0])
page = Path(snakemake.output.page)
inputs = [Path(path) for path in snakemake.input]
cards = [path for path in inputs if path.suffix == ".json" and path.parent.name == "datasets"]
study = ReportedStudy(
    facts=snakemake.params.facts,
    tables=StudyTables(page.parent / "tables", snakemake.params.tables),
    place=page.parent,
    figures=tuple(path for path in inputs if path.suffix == ".png"),
    cards=tuple((json.loads(path.read_text(encoding="utf-8")), path.with_suffix(".jpg")) for path in cards),
    published=Path(snakemake.params.published),
)
write_report(study, page)
stamps = [path for path in inputs if path.parent.name == ".shows"]
stamp_like(Path(snakemake.output.stamp), *stamps, written=snakemake.output)
