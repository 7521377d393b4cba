"""Laboratories that share results: real git and DVC, and runs that were published without being computed."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from transfer_atlas.planning.kinds import KINDS
from transfer_atlas.planning.shown import write_stamp
from transfer_atlas.sharing.__main__ import main
from transfer_atlas.store.keys import key_of
from transfer_atlas.store.store import publish, run_folder

REPOSITORY = Path(__file__).resolve().parents[2]
PROJECT_FILES = (".dvc/config", ".dvc/.gitignore", ".dvcignore", "dvc.yaml", ".gitignore", "config.yaml")


@dataclass
class Laboratory:
    """A clone in which runs appear, and are recorded and shared."""

    folder: Path

    def run(
        self,
        kind: str,
        name: str,
        value: float = 0.5,
        *,
        created: str = "2026-01-01T00:00:00+00:00",
        parents: Mapping[str, str] | None = None,
        seed: int = 0,
        files: Mapping[str, bytes] | None = None,
    ) -> Path:
        """Publish a run as a job would. Returns its folder, relative to the clone."""
        told = {"kind": kind, "settings": {"seed": seed}, "versions": {}, "parents": dict(parents or {})}
        key = key_of(told | {"code": {"training": 1}})
        work = self.folder / "scratch" / key
        work.mkdir(parents=True)
        for file, content in (files or {}).items():
            (work / file).write_bytes(content)
        folder = run_folder(self.folder / "store", KINDS[kind].folder, name, key)
        shutil.rmtree(folder, ignore_errors=True)
        record = told | {"code_versions": {"training": 1}, "key": key, "name": name, "status": "finished"}
        record |= {"metrics": {"value": value}, "created": created, "seconds": 1.0, "reason": None}
        record |= {"device": "cpu (x86_64)", "packages": {"torch": "2.8.0"}, "identity": {}}
        publish(work, folder, record)
        shutil.rmtree(work)
        return folder.relative_to(self.folder)

    def tables(self, study: str, folders: list[Path], text: str = "gain") -> Path:
        """Write tables of a study that show some runs. Returns the folder, relative to the clone."""
        results = self.folder / "results" / study
        (results / "tables").mkdir(parents=True, exist_ok=True)
        (results / "tables/gains.csv").unlink(missing_ok=True)
        (results / "tables/gains.csv").write_text(text, encoding="utf-8")
        for stamp in (results / ".shows").glob("*"):
            stamp.unlink()
        shown = [str(self.folder / folder) for folder in folders]
        stamp = results / ".shows/tables-0123456789abcdef.json"
        write_stamp(stamp, shown, self.folder / "store", [str(results / "tables/gains.csv")])
        return results.relative_to(self.folder)

    def edit(self, folder: Path, **changes: Any) -> None:
        """Edit a run.json by hand."""
        path = self.folder / folder / "run.json"
        content = json.loads(path.read_text(encoding="utf-8")) | changes
        path.unlink()
        path.write_text(json.dumps(content), encoding="utf-8")

    def sharing(self, *arguments: str, status: int = 0) -> str:
        """Run the command line of sharing, expecting an exit status. Returns what it printed."""
        said = io.StringIO()
        with (
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
            mock.patch.dict(os.environ, surroundings()),
        ):
            found = main(list(arguments))
        assert found == status, " ".join(arguments) + "\n" + said.getvalue()
        return said.getvalue()

    def dvc(self, *arguments: str, status: int = 0) -> str:
        """Run dvc."""
        return self.call(sys.executable, "-m", "dvc", *arguments, status=status)

    def git(self, *arguments: str, status: int = 0) -> str:
        """Run git."""
        return self.call("git", *arguments, status=status)

    def call(self, *command: str, status: int = 0) -> str:
        """Run a command in the clone, expecting an exit status. Returns what it printed."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=surroundings(),
            text=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == status, " ".join(command) + "\n" + done.stdout + done.stderr
        return done.stdout + done.stderr

    def call_any(self, *arguments: str) -> str:
        """Run Python in the clone, whatever its exit status. Returns what it printed."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=surroundings(),
            text=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
        )
        return done.stdout + done.stderr

    def commit(self, message: str = "Work") -> None:
        """Commit everything."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def recorded(self, layer: str) -> set[str]:
        """Names of recorded files of a layer."""
        folder = self.folder / "recorded" / layer
        return {path.relative_to(folder).as_posix() for path in folder.rglob("*.json")}

    def value(self, folder: Path) -> float:
        """The value of a run that is here."""
        return json.loads((self.folder / folder / "run.json").read_text(encoding="utf-8"))["metrics"]["value"]

    def stored(self) -> set[str]:
        """Files of the store, relative to the clone."""
        found = (self.folder / "store").rglob("*")
        return {path.relative_to(self.folder).as_posix() for path in found if path.is_file()}

    def remote_object(self, file: Path) -> Path:
        """The object of a file's content in the remote."""
        from transfer_atlas.sharing.cache import md5_of

        md5 = md5_of(self.folder / file)
        return self.folder.parent / "remote/files/md5" / md5[:2] / md5[2:]


def surroundings() -> dict[str, str]:
    """Environment of the tools: this working tree's library, somebody's name for git."""
    names = {"NAME": "Somebody", "EMAIL": "somebody@example.org"}
    return os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY / "src"),
        "DVC_NO_ANALYTICS": "1",
        **{f"GIT_{who}_{what}": text for who in ("AUTHOR", "COMMITTER") for what, text in names.items()},
    }


def first_laboratory(folder: Path) -> Laboratory:
    """A repository with the project's files, a hub for git and a remote for data beside it, and nothing recorded."""
    for name in PROJECT_FILES:
        (folder / "first" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, folder / "first" / name)
    (folder / "remote").mkdir()
    subprocess.run(["git", "init", "--quiet", "--bare", "-b", "main", str(folder / "hub")], check=True)
    laboratory = Laboratory(folder / "first")
    laboratory.git("init", "--quiet", "-b", "main")
    laboratory.dvc("remote", "add", "--quiet", "--default", "storage", str(folder / "remote"))
    laboratory.commit("The project")
    laboratory.git("remote", "add", "origin", str(folder / "hub"))
    laboratory.git("push", "--quiet", "--set-upstream", "origin", "main")
    return laboratory


def another(laboratory: Laboratory, name: str) -> Laboratory:
    """A fresh clone of the hub."""
    folder = laboratory.folder.parent / name
    subprocess.run(["git", "clone", "--quiet", laboratory.folder.parent / "hub", folder], check=True)
    return Laboratory(folder)


def copied(laboratory: Laboratory, folder: Path) -> Laboratory:
    """The laboratory with a hub and a remote of its own, as it is now."""
    shutil.copytree(laboratory.folder.parent, folder, symlinks=True)
    copy = Laboratory(folder / laboratory.folder.name)
    config = copy.folder / ".dvc/config"
    text = config.read_text(encoding="utf-8").replace(str(laboratory.folder.parent), str(folder))
    config.write_text(text, encoding="utf-8")
    copy.git("remote", "set-url", "origin", str(folder / "hub"))
    copy.commit("Another remote")
    copy.git("push", "--quiet")
    return copy
