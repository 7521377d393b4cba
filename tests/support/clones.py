"""A clone of the repository with a tiny study in it, and Snakemake run there as a user would."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
PLUGINS = Path(__file__).resolve().parent / "plugins"
STUDY_FILE = "tests/config/tiny_study.yaml"
LAYERS = len(
    yaml.safe_load((REPOSITORY / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
)  # of what is shared
TARGET_RULES = {
    "all",
    "prepared_datasets",
    "ilsvrc",
    "sources",
    "transfers",
    "target_models",
    "scores",
    "pull",
}
TABLES_AND_FIGURES = {
    "tables",
    "gains_heat_map segmentation small_target",
    "effects_figure small_target",
    "dataset_cards",
    "report",
}


def transfer(source: str, target: str) -> str:
    """How a transfer between two datasets (or from a baseline) is listed among the jobs."""
    start = source if source in ("ilsvrc", "scratch") else f"segmentation-{source}"
    return f"transfer {start}--segmentation-{target}--6-images--seed0"


def transfers(pairs: dict[str, list[str]]) -> set[str]:
    """Transfers by target: {target: sources}."""
    return {transfer(source, target) for target, sources in pairs.items() for source in sources}


ALL_RUNS = {
    "prepare_dataset things",
    "prepare_dataset meadow",
    "prepare_dataset street",
    "prepare_dataset harbour",
    "ilsvrc_checkpoint hrnet_tiny",
    "train_source segmentation-meadow",
    "train_source segmentation-street",
    *transfers(
        {"street": ["ilsvrc", "scratch", "meadow"], "harbour": ["ilsvrc", "scratch", "meadow", "street"]}
    ),
}


@dataclass
class Call:
    """What came of one call of Snakemake; `jobs`: those it planned or started, `finished`: those it finished."""

    status: int
    stdout: str
    stderr: str
    jobs: set[str]
    finished: set[str]

    @property
    def said(self) -> str:
        """All that the terminal showed: a dry run speaks on stdout, a run on stderr."""
        return self.stdout + self.stderr

    def well(self) -> Call:
        """Itself, having checked that the exit status is 0."""
        assert self.status == 0, self.said
        return self


@dataclass
class Clone:
    """A checkout with raw data, and results if it has been run."""

    folder: Path

    def snakemake(
        self,
        *arguments: str,
        study: str | None = STUDY_FILE,
        cores: str | None = "1",
        timeout: float = 900,
        **environment: str,
    ) -> Call:
        """Call Snakemake in the clone, on one core; cores None: as the profile says."""
        process, events = self.start(*arguments, study=study, cores=cores, **environment)
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return Call(process.returncode, stdout, stderr, *_jobs(events))

    def start(
        self,
        *arguments: str,
        study: str | None = STUDY_FILE,
        cores: str | None = "1",
        **environment: str,
    ) -> tuple[subprocess.Popen[str], Path]:
        """Start Snakemake in a process group of its own. Returns it with the file of its events."""
        events = self.folder / f".events-{time.monotonic_ns()}.jsonl"
        command = [sys.executable, "-m", "snakemake", *arguments, "--logger", "events"]
        if cores is not None:
            command += ["--cores", cores]
        if study is not None:
            command += ["--configfile", study]
        surroundings = {name: value for name, value in os.environ.items() if name != "SNAKEMAKE_PROFILE"}
        surroundings |= {
            "PYTHONPATH": os.pathsep.join([str(self.folder / "src"), str(PLUGINS)]),
            "SNAKEMAKE_EVENTS_FILE": str(events),
            "OMP_NUM_THREADS": "1",
            **environment,
        }
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=surroundings,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        return process, events

    def planned(self, *arguments: str, study: str | None = STUDY_FILE) -> set[str]:
        """The jobs that Snakemake would run now, but for the target rule itself."""
        call = self.snakemake("--dry-run", *arguments, study=study).well()
        assert bool(call.jobs) != ("Nothing to be done" in call.said), call.said
        return call.jobs

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python with the clone's library."""
        surroundings = os.environ | {"PYTHONPATH": str(self.folder / "src"), "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            [sys.executable, *arguments], cwd=self.folder, env=surroundings, text=True, capture_output=True
        )

    def git(self, *arguments: str) -> None:
        """Run git in the clone."""
        git(self.folder, *arguments)

    def git_output(self, *arguments: str) -> str:
        """What a git command prints."""
        return subprocess.run(
            ["git", *arguments], cwd=self.folder, check=True, capture_output=True, text=True
        ).stdout

    def dvc(self, *arguments: str, status: int = 0) -> str:
        """Run dvc in the clone, expecting an exit status. Returns what it printed."""
        command = [sys.executable, "-m", "dvc", *arguments]
        surroundings = os.environ | {"DVC_NO_ANALYTICS": "1", "PYTHONPATH": str(self.folder / "src")}
        surroundings |= {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=surroundings,
            text=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
        )
        assert (done.returncode == 0) == (status == 0), done.stdout + done.stderr
        return done.stdout + done.stderr

    def sharing(self, *arguments: str, status: int = 0) -> str:
        """Run the command line of sharing, expecting an exit status. Returns what it printed."""
        done = self.python("-m", "transfer_atlas.sharing", *arguments)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def study(self) -> dict[str, Any]:
        """The study file as it is now, without shared parts, free to be changed."""
        text = (self.folder / STUDY_FILE).read_text(encoding="utf-8")
        return json.loads(json.dumps(yaml.safe_load(text)))

    def change(self, edit: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Edit the study file. Returns the study as it was, for `write`."""
        study = self.study()
        before = copy.deepcopy(study)
        edit(study)
        self.write(study)
        return before

    def write(self, study: dict[str, Any]) -> None:
        """Replace the study file."""
        (self.folder / STUDY_FILE).write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")

    def replace(self, file: str, old: str, new: str) -> None:
        """Replace a text that occurs once in a file."""
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {file}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def record(self, job: str) -> dict[str, Any]:
        """The run.json of a job."""
        return json.loads(self.record_file(job).read_text(encoding="utf-8"))

    def record_file(self, job: str) -> Path:
        """Path of that run.json: the newest, where a store holds results of several settings."""
        name = job.split(" ")[1]
        found = [path for path in (self.folder / "store").glob(f"*/{name}/*/run.json") if _kind(path) in job]
        return max(found, key=lambda path: path.stat().st_mtime_ns)

    def files(self, *patterns: str) -> dict[str, bytes]:
        """Contents of files by path relative to the clone; each pattern matches at least one."""
        found = {}
        for pattern in patterns:
            paths = sorted(self.folder.glob(pattern))
            assert paths, f"no {pattern} in {self.folder}"
            found |= {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in paths}
        return found

    def processes(self) -> list[str]:
        """Command lines of processes that work in the clone."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and entry.name != str(os.getpid()):
                try:
                    if (entry / "cwd").resolve().is_relative_to(self.folder.resolve()):
                        state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                        line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                        if state != "Z":
                            found.append(f"{entry.name} {line}")
                except (OSError, ValueError):
                    continue  # it has ended
        return found

    def no_process_left(self, seconds: float = 10) -> None:
        """Wait until no process works in the clone; fail if one stays."""
        end = time.monotonic() + seconds
        while self.processes() and time.monotonic() < end:
            time.sleep(0.1)
        assert not self.processes()


def checkout(folder: Path) -> Clone:
    """A new repository with the files of this working tree, committed ones and others."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        source, target = REPOSITORY / name, folder / name
        if source.is_symlink() or source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    commit(folder, "The repository as it is")
    return Clone(folder)


def cloned(origin: Clone, folder: Path) -> Clone:
    """`git clone`, with a copy of harbour, which is under no version control."""
    subprocess.run(["git", "clone", "--quiet", origin.folder, folder], check=True)
    shutil.copytree(origin.folder / "data/harbour", folder / "data/harbour")
    return Clone(folder)


def git(folder: Path, *arguments: str) -> None:
    """Run git, as somebody."""
    identity = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def commit(folder: Path, message: str) -> None:
    """Commit everything that is not ignored."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


def dvc_add(path: Path) -> str:
    """Write what `dvc add` writes for a folder: .dvc file, and line in .gitignore. Returns the md5."""
    files = sorted(file for file in path.rglob("*") if file.is_file())
    entries = [
        {"md5": hashlib.md5(file.read_bytes()).hexdigest(), "relpath": file.relative_to(path).as_posix()}
        for file in files
    ]
    md5 = hashlib.md5(json.dumps(entries, sort_keys=True).encode()).hexdigest() + ".dir"
    size = sum(file.stat().st_size for file in files)
    out = {"md5": md5, "size": size, "nfiles": len(files), "hash": "md5", "path": path.name}
    path.with_name(f"{path.name}.dvc").write_text(yaml.safe_dump({"outs": [out]}), encoding="utf-8")
    ignored = path.parent / ".gitignore"
    lines = set(ignored.read_text(encoding="utf-8").split()) if ignored.exists() else set()
    ignored.write_text("\n".join(sorted(lines | {f"/{path.name}"})) + "\n", encoding="utf-8")
    return md5


def _jobs(events: Path) -> tuple[set[str], set[str]]:
    """Jobs planned or started, and jobs finished, without target rules; none may come twice."""
    names: dict[int, str] = {}
    finished = set()
    for event in _events(events):
        if event["event"] == "job_info" and event["rule"] not in TARGET_RULES:
            wildcards = [value for name, value in event["wildcards"].items() if name != "key"]
            names[event["job"]] = " ".join([event["rule"], *wildcards])
        elif event["event"] == "job_finished":
            finished.add(event["job"])
    assert len(set(names.values())) == len(names), f"a job twice: {sorted(names.values())}"
    return set(names.values()), {name for job, name in names.items() if job in finished}


def _events(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)
        path.unlink()


def _kind(record_file: Path) -> str:
    """The rule's name for the store's folder: a dataset and an ILSVRC checkpoint may share their name."""
    folder = record_file.parents[2].name
    rules = {"prepared": "prepare_dataset", "ilsvrc": "ilsvrc_checkpoint", "sources": "train_source"}
    return rules.get(folder, "transfer")
