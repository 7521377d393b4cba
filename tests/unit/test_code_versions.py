"""Fingerprints of code: what counts as an edit, what planning says then, and that the declared ones are true."""

import subprocess
import sys
from pathlib import Path

import pytest
import study_examples as examples
import yaml

from transfer_atlas import code_versions
from transfer_atlas.code_versions import COMMAND, PACKAGE, declare, fingerprint, read_record, versions
from transfer_atlas.errors import CodeVersionError

LOSS = '''"""Losses."""

import math


class Loss:
    def value(self, x):
        return math.exp(-x) + 1
'''


@pytest.fixture
def package(tmp_path):
    """A small package with one stage and its record."""
    (tmp_path / "loss.py").write_text(LOSS)
    (tmp_path / "labels.yaml").write_text("b: 1\na: [x, y]\n")
    stages = {"task": {"version": 3, "modules": ["loss.py", "*.yaml"], "fingerprint": ""}}
    record = tmp_path / "record" / "code_versions.yaml"
    record.parent.mkdir()
    record.write_text("# What this is.\n" + yaml.safe_dump({"stages": stages, "without_effect": []}))
    declare("task", results_can_change=False, path=record, package=tmp_path)
    return tmp_path


def of(package: Path) -> str:
    return fingerprint(["loss.py", "*.yaml"], package)


@pytest.mark.parametrize(
    "edited",
    [
        LOSS.replace("import math\n", "import math  # for exp\n\n# a comment\n"),
        LOSS.replace("Losses.", "All the losses."),
        LOSS.replace('"""Losses."""\n', ""),
        LOSS.replace("class Loss:\n", 'class Loss:\n    """A loss."""\n\n'),
        LOSS.replace("x):\n", 'x):\n        """Of x."""\n'),
        LOSS.replace("self, x", "\n        self,\n        x,\n    "),
        LOSS.replace("math.exp(-x) + 1", "(math.exp( -x )+1)"),
    ],
)
def test_comments_docstrings_and_formatting_are_no_edit(package, edited):
    before = of(package)
    assert edited != LOSS
    (package / "loss.py").write_text(edited)
    assert of(package) == before


@pytest.mark.parametrize(
    "edited",
    [
        LOSS.replace("+ 1", "+ 2"),
        LOSS.replace("-x", "x"),
        LOSS.replace("value", "worth"),
        LOSS.replace("import math", "import numpy as math"),
        LOSS.replace("x):", "x=1):"),
        LOSS + "\nRATE = 'a'\n",
    ],
)
def test_code_is_an_edit(package, edited):
    before = of(package)
    (package / "loss.py").write_text(edited)
    assert of(package) != before


def test_a_docstring_alone_is_like_no_body(package):
    (package / "loss.py").write_text("def nothing():\n    pass\n")
    before = of(package)
    (package / "loss.py").write_text('def nothing():\n    """Do nothing."""\n')
    assert of(package) == before


def test_yaml_counts_by_its_content(package):
    before = of(package)
    (package / "labels.yaml").write_text("# in another order\na:\n- x\n- y\nb: 1\n")
    assert of(package) == before
    (package / "labels.yaml").write_text("b: 1\na: [y, x]\n")
    assert of(package) != before


def test_names_of_files_count_and_editors_leavings_do_not(package):
    before = of(package)
    (package / ".labels.yaml.swp").write_bytes(b"\xff\x00")
    assert fingerprint(["loss.py", "labels*"], package) == before
    (package / "labels.yaml").rename(package / "other.yaml")
    assert of(package) != before
    with pytest.raises(CodeVersionError, match=r"names 'gone\.py', which matches no file"):
        fingerprint(["gone.py"], package)


def check(package: Path):
    record = read_record(package / "record" / "code_versions.yaml")
    return versions(["task"], record, package)


def test_an_edited_stage_stops_with_both_remedies_until_declared(package):
    assert check(package) == {"task": 3}
    (package / "loss.py").write_text(LOSS.replace("+ 1", "+ 2"))
    with pytest.raises(CodeVersionError) as caught:
        check(package)
    assert f"{COMMAND} task --results-can-change" in str(caught.value)
    assert f"{COMMAND} task --results-cannot-change" in str(caught.value)
    assert "task: loss.py, *.yaml" in str(caught.value)


@pytest.mark.parametrize(("can_change", "version"), [(True, 4), (False, 3)])
def test_declaring_lets_planning_go_on(package, can_change, version):
    record = package / "record" / "code_versions.yaml"
    (package / "loss.py").write_text(LOSS.replace("+ 1", "+ 2"))
    said = declare("task", results_can_change=can_change, path=record, package=package)
    assert said.startswith(f"task: version {version}, fingerprint ")
    assert check(package) == {"task": version}
    assert record.read_text().startswith("# What this is.\n")


def test_unknown_stages_are_named(package):
    record = package / "record" / "code_versions.yaml"
    with pytest.raises(CodeVersionError, match=r"unknown stage 'tusk'; known: task"):
        declare("tusk", results_can_change=True, path=record, package=package)
    with pytest.raises(CodeVersionError, match="no code version is declared for tusk"):
        versions(["tusk"], read_record(record), package)


def test_a_raised_version_changes_exactly_that_task_types_runs(monkeypatch):
    record = read_record()
    before = examples.plan()
    record["stages"]["task_classification"]["version"] += 1
    monkeypatch.setattr(code_versions, "read_record", lambda: record)
    below = {run for run in examples.changed_runs(before, examples.plan()) if "scratch" not in run[1]}
    assert below == {examples.name_of(r) for r in before if r.kind != "prepared" and "scratch" not in r.name}
    record["stages"]["task_classification"]["version"] -= 1
    record["stages"]["task_segmentation"]["version"] += 1
    expected = {examples.name_of(run) for run in before if run.kind in ("source", "transfer")}
    assert examples.changed_runs(before, examples.plan()) == expected


# The repository's own record


def test_every_file_of_the_package_is_in_a_stage_or_declared_without_effect():
    record = read_record()
    patterns = [pattern for stage in record["stages"].values() for pattern in stage["modules"]]
    in_stages = {path for pattern in patterns for path in PACKAGE.glob(pattern)}
    without_effect = {PACKAGE / name for name in record["without_effect"]}
    files = {path for suffix in ("py", "yaml") for path in PACKAGE.rglob(f"*.{suffix}")}

    def listed(paths):
        return sorted(path.relative_to(PACKAGE).as_posix() for path in paths)

    forgotten = listed(files - in_stages - without_effect)
    assert not forgotten, f"add to a stage, or to without_effect, of code_versions.yaml: {forgotten}"
    assert not listed(without_effect - files), "without_effect names files that do not exist"
    assert not listed(without_effect & in_stages), "both in a stage and without effect"


def test_the_declared_fingerprints_are_current():
    try:
        versions(read_record()["stages"])
    except CodeVersionError as error:
        pytest.fail(str(error))  # names the stages and the commands


def test_the_command_says_what_is_out_of_step_and_refuses_unknown_stages():
    def command(*arguments):
        call = [sys.executable, "-m", "transfer_atlas.code_versions", *arguments]
        return subprocess.run(call, capture_output=True, text=True, check=False)

    found = command()
    assert found.returncode == 0 and found.stdout == "all stages are as declared\n"
    found = command("declare", "no_such_stage", "--results-can-change")
    assert found.returncode == 1 and found.stderr.startswith("unknown stage 'no_such_stage'; known: prepared")
    assert "Traceback" not in found.stderr
