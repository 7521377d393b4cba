"""What lies beside the report: the tables themselves, answers of `recommend` and `start`."""

from __future__ import annotations

import json
from pathlib import Path

from transfer_atlas.analysis.report import words
from transfer_atlas.analysis.report.study import ReportedStudy


def elsewhere(study: ReportedStudy) -> list[dict[str, str]]:
    """Links with a few words each, of what is there when the page is written."""
    found = [{"link": "tables/", "name": "tables/", "said": "every table as Parquet"}]
    for folder, asked in (("recommendations", "recommend"), ("starts", "start")):
        for path in sorted((study.place / folder).glob("*.json")):
            said = _answer(path)
            if said:
                link = f"{folder}/{path.stem}.txt"
                found.append({"link": link, "name": f"{asked} {path.stem}", "said": said})
    return found


def _answer(path: Path) -> str:
    """What a file of `recommend` or `start` answers, in words; empty where it is no such file."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if "best" in told:
            tried = len(told["tried"])
            return f"{words.source_in_words(str(told['best']))} was the best of {tried} tried"
        expected, answer = told["expected"], str(told["answer"])
        return answer if expected is None else f"{answer}, expected gain {words.percent(expected['gain'])}"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""
