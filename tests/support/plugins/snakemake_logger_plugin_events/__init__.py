"""A logger plugin of Snakemake: writes what it plans, starts and finishes as JSON lines, for the tests.

What Snakemake prints is for people: a rule's message takes the place of its name. Its events have both.
"""

import json
import os
from pathlib import Path

from snakemake_interface_logger_plugins.base import LogHandlerBase

EVENTS = ("job_info", "job_finished", "job_error")


class LogHandler(LogHandlerBase):
    """Appends to the file that the variable SNAKEMAKE_EVENTS_FILE names."""

    writes_to_stream = False
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = False

    def emit(self, record):
        event = str(getattr(record, "event", ""))
        if event not in EVENTS:
            return
        line = {"event": event, "job": getattr(record, "jobid", getattr(record, "job_id", None))}
        if event == "job_info":
            line |= {"rule": record.rule_name, "wildcards": dict(record.wildcards or {})}
        with Path(os.environ["SNAKEMAKE_EVENTS_FILE"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
