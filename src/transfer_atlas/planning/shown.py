"""Which results the tables and figures of a study show: they follow runs that were computed again, pulled or merged.

The paths of tables carry no key, for people's sake. Beside them, in `<results>/.shows/`, lie stamps such as
`tables-<key>.json`, which list the runs shown with the md5 of each run.json: two laboratories may differ on one key.
`tables-<key>.md5` holds the md5 of each file as it was written, so that one edited since is not recorded as the study's
(and `md5sum -c` reads it).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from transfer_atlas.planning.plan import Plan
from transfer_atlas.planning.presence import Presence
from transfer_atlas.planning.run import Run
from transfer_atlas.store.files import RememberedDigests, digest_of, write_json
from transfer_atlas.store.store import RUN_FILE
from transfer_atlas.study.study import Study

WRITTEN = ".md5"  # beside a stamp


@dataclass(frozen=True)
class Shown:
    """The stamps of a planned study."""

    study: Study
    plan: Plan
    key: str
    present: Presence

    def stamp(self, name: str) -> Path:
        """The stamp of a table or figure."""
        return self.study.results / ".shows" / f"{name}-{self.key}.json"

    def clear_stale(self, names: Iterable[str]) -> None:
        """Remove the stamps of what shows other results than those in the store now.

        Results that are not here do not count: tables can be had, and be current, without them.
        """
        stamps = [stamp for stamp in map(self.stamp, names) if stamp.exists()]
        if not stamps:
            return
        now = digests_of(self.plan.runs, self.study.store)
        self._remember_presence(now)
        for stamp in stamps:
            shown = read_stamp(stamp)
            kinds = {run.split("/")[0] for run in shown or {}}
            like = {run: md5 for run, md5 in now.items() if run.split("/")[0] in kinds}
            if not shown or any(shown.get(run) != md5 for run, md5 in like.items()):
                stamp.unlink(missing_ok=True)

    def _remember_presence(self, digests: dict[str, str]) -> None:
        """Whoever looked at a run's only declared file knows that the run is there: nobody needs to ask again."""
        for run in self.plan.runs:
            if _name(run, self.study.store) in digests and not run.described.files:
                self.present.add(run)


def digests_of(runs: Iterable[Run], store: Path) -> dict[str, str]:
    """md5 of the run.json of those runs that are in the store, by `kind/name/key`."""
    files = [f"{_name(run, store)}/{RUN_FILE}" for run in runs]
    hashed = RememberedDigests("md5").of(store, files, missing_too=True)
    return {file.removesuffix(f"/{RUN_FILE}"): md5 for file, md5 in hashed.items()}


def _name(run: Run, store: Path) -> str:
    return run.folder(store).relative_to(store).as_posix()


def write_stamp(stamp: Path, folders: Iterable[str], store: Path, written: Iterable[str]) -> None:
    """Say which results something shows, and remove the stamps of what it showed before.

    written: the files, or folders of files, that show them; the stamp may be among them.
    """
    files = [f"{Path(folder).relative_to(store).as_posix()}/{RUN_FILE}" for folder in folders]
    hashed = RememberedDigests("md5").of(store, files, missing_too=True)
    _replace(stamp, {file.removesuffix(f"/{RUN_FILE}"): md5 for file, md5 in sorted(hashed.items())}, written)


def stamp_like(stamp: Path, *tables: Path, written: Iterable[str]) -> None:
    """The stamp of what is made of tables, such as a figure: it shows what they show, all together."""
    shown = [json.loads(each.read_text(encoding="utf-8")) for each in tables]
    _replace(stamp, {run: md5 for each in shown for run, md5 in each.items()}, written)


def _replace(stamp: Path, content: dict[str, str], written: Iterable[str]) -> None:
    results = stamp.parent.parent
    files = [file for path in map(Path, written) if path != stamp for file in _files(path)]
    lines = [f"{digest_of(file, 'md5')}  {os.path.relpath(file, results)}" for file in sorted(files)]
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.with_suffix(WRITTEN).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    write_json(stamp, content)
    for other in stamp.parent.glob(f"{stamp.name.rpartition('-')[0]}-*"):
        if other.stem != stamp.stem:
            other.unlink(missing_ok=True)


def _files(path: Path) -> list[Path]:
    return [each for each in path.rglob("*") if each.is_file()] if path.is_dir() else [path]


def read_stamp(stamp: Path) -> dict[str, str] | None:
    """What a stamp says; None if it is damaged."""
    try:
        content = json.loads(stamp.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
