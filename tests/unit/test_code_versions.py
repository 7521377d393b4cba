"""Fingerprints of code: what counts as an edit, what planning says then, and that the declared ones are true."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import study_examples as examples
import yaml

from transfer_atlas import code_versions
from transfer_atlas.code_versions import (
    COMMAND,
    PACKAGE,
    declare,
    fingerprint,
    imported,
    modules_of,
    read_record,
    stage_modules,
    versions,
)
from transfer_atlas.errors import CodeVersionError
from transfer_atlas.planning.kinds import KINDS

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
    stages = {"task": {"version": 3, "roots": ["loss.py", "labels.yaml"], "fingerprint": ""}}
    record = tmp_path / "record" / "code_versions.yaml"
    record.parent.mkdir()
    record.write_text("# What this is.\n" + yaml.safe_dump({"stages": stages, "without_effect": []}))
    declare("task", results_can_change=False, path=record, package=tmp_path)
    return tmp_path


def of(package: Path) -> str:
    return fingerprint(["loss.py", "labels.yaml"], package)


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


def test_later_pythons_see_the_same_code():
    """Python 3.12.1 ends the format of `{x:<{width}}` with an empty text, which 3.11 does not."""
    tree, other = ast.parse('f"{x:<{width}}"'), ast.parse('f"{x:<{width}}"')
    for node in ast.walk(other):
        if isinstance(node, ast.FormattedValue) and node.format_spec:
            node.format_spec.values.append(ast.Constant(value=""))
    assert code_versions._told(tree) == code_versions._told(other)
    assert code_versions._told(tree) != code_versions._told(ast.parse('f"{x:<{width}} "'))


def test_yaml_counts_by_its_content(package):
    before = of(package)
    (package / "labels.yaml").write_text("# in another order\na:\n- x\n- y\nb: 1\n")
    assert of(package) == before
    (package / "labels.yaml").write_text("b: 1\na: [y, x]\n")
    assert of(package) != before


def test_names_of_files_count(package):
    before = of(package)
    (package / "labels.yaml").rename(package / "other.yaml")
    assert fingerprint(["loss.py", "other.yaml"], package) != before


def test_a_stage_is_its_roots_and_what_they_import_up_to_other_stages(tmp_path):
    package = tmp_path / "toy"
    (package / "deep").mkdir(parents=True)
    for name, text in {
        "root.py": "from toy.deep import near\nfrom toy.other import thing\nimport toy.told\n",
        "deep/near.py": "def f():\n    from toy import far\n",
        "far.py": "import toy.root\n",  # a circle ends the walk, too
        "other.py": "import toy.behind\n",
        "behind.py": "",
        "told.py": "",
        "alone.py": "",
    }.items():
        (package / name).write_text(text)
    record = {
        "stages": {"a": {"roots": ["root.py"]}, "b": {"roots": ["other.py"]}},
        "without_effect": ["told.py"],
    }
    assert modules_of("a", record, package) == ["deep/near.py", "far.py", "root.py"]
    assert modules_of("b", record, package) == ["behind.py", "other.py"]
    with pytest.raises(CodeVersionError, match=r"names 'gone\.py', which matches no file"):
        modules_of("a", {"stages": {"a": {"roots": ["gone.py"]}}, "without_effect": []}, package)


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
    assert "task: loss.py, labels.yaml" in str(caught.value)


def test_what_agreed_is_not_walked_again_until_a_file_or_the_record_changes(package, tmp_path, monkeypatch):
    """Every plan, and every job of a cluster, asks several times: a look at the files must do."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path.parent / f"{tmp_path.name}_cache"))
    walks = []
    walk = code_versions.stage_modules
    monkeypatch.setattr(code_versions, "stage_modules", lambda *told: walks.append(told) or walk(*told))

    def again() -> int:
        """How often the imports are walked by another process, with nothing but the cache in common."""
        code_versions._MEMORIES.clear()
        walks.clear()
        assert check(package) == check(package) == {"task": 3}
        return len(walks)

    assert again() == 1 and again() == 0
    (package / "loss.py").write_text(LOSS + "# a comment\n")
    assert again() == 1 and again() == 0
    (package / "other.py").write_text("")  # perhaps what an import now finds
    assert again() == 1 and again() == 0
    status = (package / "loss.py").stat()
    (package / "loss.py").write_text(LOSS.replace("+ 1", "+ 2") + "# a comment\n")  # of the same size
    os.utime(package / "loss.py", ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(CodeVersionError):
        again()
    with pytest.raises(CodeVersionError):
        again()


def test_of_packages_that_are_gone_nothing_is_kept(package, tmp_path, monkeypatch):
    cache = tmp_path.parent / f"{tmp_path.name}_cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    gone = cache / "transfer_atlas/code/0123456789abcdef.json"
    gone.parent.mkdir(parents=True)
    gone.write_text(json.dumps({"package": str(tmp_path / "gone"), "files": {}, "agreed": {}}))
    code_versions._MEMORIES.clear()
    check(package)
    (kept,) = gone.parent.iterdir()
    assert json.loads(kept.read_text())["package"] == str(package) and kept != gone
    kept.write_text("no JSON")
    code_versions._MEMORIES.clear()
    assert check(package) == {"task": 3}


@pytest.mark.parametrize(("can_change", "version"), [(True, 4), (False, 3)])
def test_declaring_lets_planning_go_on(package, can_change, version):
    record = package / "record" / "code_versions.yaml"
    (package / "loss.py").write_text(LOSS.replace("+ 1", "+ 2"))
    said = declare("task", results_can_change=can_change, path=record, package=package)
    assert said.startswith(f"task: version {version}, fingerprint ")
    assert check(package) == {"task": version}
    assert record.read_text().startswith("# What this is.\n")


def test_a_record_with_both_sides_of_a_merge_says_what_to_do(tmp_path):
    (tmp_path / "code_versions.yaml").write_text(
        "stages:\n<<<<<<< HEAD\n  a: 1\n=======\n  a: 2\n>>>>>>> b\n"
    )
    with pytest.raises(CodeVersionError, match="a merge may have left both sides in it"):
        read_record(tmp_path / "code_versions.yaml")


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
    below = {name for name in examples.changed_runs(before, examples.plan()) if "scratch" not in name}
    above = [each for each in examples.everything(before) if examples.name_of(each)[0] != "prepared"]
    assert below == {examples.name_of(each) for each in above if "scratch" not in examples.name_of(each)}
    record["stages"]["task_classification"]["version"] -= 1
    record["stages"]["task_segmentation"]["version"] += 1
    every = map(examples.name_of, examples.everything(before))
    expected = {name for name in every if name[0] in ("source", "transfer")}
    assert examples.changed_runs(before, examples.plan()) == expected


# The repository's own record


def reached_from(module: str, without_effect: set[Path]) -> set[Path]:
    """Every file of the package that a module imports, directly or not, but for what is without effect."""
    start = PACKAGE.joinpath(*module.split(".")[1:]).with_suffix(".py")
    found, waiting = {start}, [start]
    while waiting:
        new = set(imported(waiting.pop())) - found - without_effect
        found |= new
        waiting += new
    return found - without_effect


@pytest.mark.parametrize("kind", KINDS)
def test_every_file_that_a_kind_of_run_uses_is_in_its_key(kind):
    """In a stage of the kind itself, or of the runs that it builds on; else an edit would go unnoticed."""
    record = read_record()
    stages = record["stages"]
    without_effect = {path for pattern in record["without_effect"] for path in PACKAGE.glob(pattern)}
    places = {
        "task_type": [name.removeprefix("task_") for name in stages if name.startswith("task_")],
        "adapter": [name.removeprefix("adapter_") for name in stages if name.startswith("adapter_")],
        "metric": [name.removeprefix("metric_") for name in stages if name.startswith("metric_")],
    }
    above = {
        "prepared": [],
        "part": ["prepared"],
        "ilsvrc": ["prepared", "source"],  # one that is trained has the stages of training
        "source": ["prepared"],
        "transfer": ["prepared", "source"],
        "target_model": ["prepared", "source"],
        "image_features": ["prepared", "source"],
        "features": ["prepared", "source"],
        "score": ["prepared", "source", "features"],
        "atdt_translator": ["prepared"],
        "atdt_translated": ["prepared"],
        "atdt_network": ["prepared"],
        "atdt_source": ["prepared", "atdt_network"],
        "atdt_transfer_network": ["prepared"],
        "atdt_evaluation": ["prepared"],
    }[kind]
    covered = set()
    for each in (kind, *above):
        for stage in KINDS[each].code:
            name = stage[stage.find("{") + 1 : stage.find("}")] if "{" in stage else None
            chosen = [stage.format(**{name: place}) for place in places[name]] if name else [stage]
            for modules in stage_modules(chosen, record, PACKAGE).values():
                covered |= {PACKAGE / module for module in modules}
    used = reached_from(KINDS[kind].runner.split(":")[0], without_effect)
    forgotten = sorted(path.relative_to(PACKAGE).as_posix() for path in used - covered if is_code(path))
    assert not forgotten, f"{kind}: its key holds no stage with {forgotten}"


def is_code(path: Path) -> bool:
    """Whether a file does anything: a package's docstring does not."""
    return path.suffix != ".py" or len(ast.parse(path.read_text(encoding="utf-8")).body) > 1


def test_every_stage_has_what_it_names_and_what_is_without_effect_exists():
    record = read_record()
    for stage, modules in stage_modules(record["stages"], record, PACKAGE).items():
        assert modules, stage
    for pattern in record["without_effect"]:
        assert list(PACKAGE.glob(pattern)), f"{pattern} names no file"


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
