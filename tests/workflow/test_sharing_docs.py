"""Every command of docs/sharing.md, as written, in the order of the page: first machine, second, daily loop, ..."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from clones import STUDY_FILE, Clone, commit

PAGE = Path(__file__).resolve().parents[2] / "docs/sharing.md"


def blocks(section: str) -> list[str]:
    """The commands of a section, a text for each block."""
    text = PAGE.read_text(encoding="utf-8")
    (found,) = re.findall(rf"^##+ {re.escape(section)}\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
    return re.findall(r"^```sh\n(.*?)^```", found, re.MULTILINE | re.DOTALL)


def carry_out(commands: str, folder: Path, places: dict[str, str], may_fail: str = "") -> str:
    """Run commands in a shell that ends at the first failure; the places of the page are those of the test."""
    for written, actual in places.items():
        commands = commands.replace(written, actual)
    if may_fail:
        assert may_fail in commands
        commands = re.sub(rf"^({re.escape(may_fail)}.*?)(#.*)?$", r"\1 || true", commands, flags=re.MULTILINE)
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
        "OMP_NUM_THREADS": "1",
        "GIT_AUTHOR_NAME": "Somebody",
        "GIT_AUTHOR_EMAIL": "somebody@example.org",
        "GIT_COMMITTER_NAME": "Somebody",
        "GIT_COMMITTER_EMAIL": "somebody@example.org",
    }
    environment.pop("PYTHONPATH", None)
    environment["PYTHONPATH"] = str(Path(folder) / "src")
    done = subprocess.run(
        ["bash", "-e", "-c", commands],
        cwd=folder,
        env=environment,
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, commands + done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_page_works_as_written(finished, tmp_path):
    hub, first, second = tmp_path / "hub", tmp_path / "first", tmp_path / "second/atlas"
    remote, outside = tmp_path / "remote", tmp_path / "imagenet"
    places = {
        "/mnt/group/transfer-atlas": str(remote),
        "<repository>": str(hub),
        "segmentation-coco": "segmentation-meadow",
        "/datasets/imagenet": str(outside),
        "git push\n": "git push --set-upstream origin main\n",
        "dvc gc": "dvc gc --force",  # it asks, and there is nobody to answer
    }
    remote.mkdir()
    shutil.copytree(finished.folder, first, symlinks=True)
    study = (first / STUDY_FILE).read_text(encoding="utf-8")
    (first / "config.yaml").write_text(study, encoding="utf-8")
    commit(first, "Our study")
    shutil.copytree(first / "data/street", first / "data/camvid")
    finished.git("init", "--quiet", "--bare", "--initial-branch", "main", str(hub))
    Clone(first).git("remote", "add", "origin", str(hub))

    carry_out("dvc add data/things data/meadow data/street", first, places)  # in the cache as well

    for commands in blocks("The first machine"):
        carry_out(commands, first, places)

    (tmp_path / "second").mkdir()
    clone_and_pull, parts, own = blocks("The second machine")
    with_harbour = f"dvc pull\ncp -r {first}/data/harbour data/harbour"  # which is under no version control
    said = carry_out(clone_and_pull.replace("dvc pull", with_harbour), tmp_path / "second", places)
    assert "Nothing to be done" in said
    for name in ("store", "results", "data/camvid"):
        shutil.rmtree(second / name)
    carry_out(parts, second, places)
    assert sorted(path.name for path in (second / "store").iterdir()) == ["ilsvrc", "sources"]
    assert (second / "data/camvid").is_dir() and (second / "results/tables").is_dir()
    assert "pulled 7 of 7 runs" in carry_out(own, second, places)

    loop, expected = blocks("The daily loop, step by step")
    study_of_second = (second / "config.yaml").read_text(encoding="utf-8")
    (second / "config.yaml").write_text(
        study_of_second.replace("domain: aerial", "domain: sea"), encoding="utf-8"
    )
    carry_out(loop, second, places)
    # The tag is the second machine's own, the repository that is asked for it therefore too.
    said = carry_out(expected, second, places | {"<repository>": "."})
    assert "Downloaded" in said or (second / "segmentation-meadow").exists()

    (day,) = blocks("Two commands a day")
    (second / "config.yaml").write_text(
        study_of_second.replace("domain: aerial", "domain: lake"), encoding="utf-8"
    )
    said = carry_out(day, second, places)
    assert "git: pushed to origin/main" in said

    shutil.copytree(first / "data/street", outside)
    carry_out(blocks("Datasets")[0], second, places)
    assert "/imagenet" in (second / "data/.gitignore").read_text(encoding="utf-8")

    carry_out("git pull origin main; dvc pull sources prepared backbones transfers", first, places)
    merging = blocks("Merging")[0].replace("git pull --no-rebase", "git pull --no-rebase origin main")
    carry_out(merging.replace("git commit --no-edit\n", ""), first, places)

    for commands in (*blocks("What can be trusted"), *blocks("Throwing away")):
        for command in commands.strip().splitlines():
            carry_out(command, first, places)
