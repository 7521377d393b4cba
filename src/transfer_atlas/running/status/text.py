"""Where a study stands, as text for a terminal."""

from __future__ import annotations

from transfer_atlas.running.status.facts import Failed, Running, Status
from transfer_atlas.store.notices import Attempt

SHOWN = 20  # rows of a list


def as_text(status: Status) -> str:
    """Table of kinds, then what is at work, what failed and with what last lines, what ended without a result."""
    parts = [f"study {status.study}, store {status.store}", _table(status)]
    parts += _list("at work", [_running(each) for each in status.running])
    parts += _list("failed", [_failed(each) for each in status.failed])
    without = [f"  {each.name}: {each.status}: {_clean(each.reason)}" for each in status.without_result]
    parts += _list("ended without a result", without)
    parts += _list("damaged", [f"  {_clean(each)}" for each in status.damaged])
    return "\n\n".join(parts)


def _table(status: Status) -> str:
    heads = ("runs", "done", "running", "queued", "failed")
    lines = [f"{'':<20}" + "".join(f"{head:>9}" for head in heads) + f"{'spent':>10}{'left':>12}"]
    for kind in status.kinds:
        numbers = (kind.runs, kind.done, kind.running, kind.queued, kind.failed)
        left = "unknown" if kind.hours_left is None else _hours(kind.hours_left)
        lines.append(
            f"{kind.title:<20}"
            + "".join(f"{number:>9}" for number in numbers)
            + f"{_hours(kind.hours_spent):>10}{left if kind.done < kind.runs else '-':>12}"
        )
    sums = [sum(getattr(kind, head) for kind in status.kinds) for head in heads]
    known = [kind.hours_left for kind in status.kinds if kind.hours_left is not None]
    more = "> " if len(known) < len(status.kinds) else ""
    left = "-" if status.is_done else f"{more}{_hours(sum(known))}" if sum(known) else "unknown"
    spent = _hours(sum(kind.hours_spent for kind in status.kinds))
    lines.append(f"{'all':<20}" + "".join(f"{each:>9}" for each in sums) + f"{spent:>10}{left:>12}")
    return "\n".join(lines)


def _list(title: str, rows: list[str]) -> list[str]:
    if not rows:
        return []
    more = [f"  and {len(rows) - SHOWN} more (--json tells all)"] if len(rows) > SHOWN else []
    return ["\n".join([f"{title}:", *rows[:SHOWN], *more])]


def _running(run: Running) -> str:
    said = _clean(run.attempt.said or f"since {run.attempt.since}").removeprefix(f"{run.name}: ")
    return f"  {run.name} on {_where(run.attempt)}: {said}"


def _failed(run: Failed) -> str:
    times = f" (attempt {run.attempt.attempts})" if run.attempt.attempts > 1 else ""
    lines = [f"  {run.name} on {_where(run.attempt)}{times}: {_clean(run.attempt.failed or '')}"]
    if run.attempt.log and not run.lines:
        lines.append(f"      (its log {_clean(run.attempt.log)} can't be read from here)")
    elif run.lines:
        lines.append(f"      {_clean(run.attempt.log or '')} ends with")
        lines += [f"      | {_clean(line)}" for line in run.lines]
    return "\n".join(lines)


def _where(attempt: Attempt) -> str:
    gpus = f", GPU {' '.join(attempt.gpus)}" if attempt.gpus else ""
    job = f", job {attempt.job}" if attempt.job else ""
    return _clean(f"{attempt.node}{gpus}{job}")


def _hours(hours: float) -> str:
    if hours < 0.1:
        return f"{hours * 3600:.0f} s"
    return f"{hours:.1f} h"


def _clean(text: str) -> str:
    """One line without control characters, which the file of another could hold."""
    return "".join(each if each.isprintable() else " " for each in text)
