"""The command `transfer-atlas`: each line of its table leads somewhere, and only what is asked for is imported."""

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from transfer_atlas import command
from transfer_atlas.errors import ConfigurationError
from transfer_atlas.sharing import __main__ as sharing
from transfer_atlas.study.reading import read_values

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", command.COMMANDS)
def test_every_command_leads_to_a_function_of_one_list_of_arguments(name):
    module, function = command.COMMANDS[name].function.split(":")
    parameters = list(
        inspect.signature(getattr(importlib.import_module(module), function)).parameters.values()
    )
    assert parameters[0].default is None
    assert all(parameter.default is not inspect.Parameter.empty for parameter in parameters)


@pytest.mark.parametrize("name", command.COMMANDS)
def test_every_command_has_its_own_help(name, capsys):
    with pytest.raises(SystemExit) as ended:
        command.main([name, "--help"])
    assert ended.value.code == 0
    assert name in capsys.readouterr().out


def test_help_tells_of_each_command_in_one_line(capsys):
    assert command.main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name, each in command.COMMANDS.items():
        assert [line for line in lines if line.split()[:1] == [name]] == [f"  {name:<11}{each.purpose}"]


def test_an_unknown_command_names_those_there_are(capsys):
    assert command.main(["recrod"]) == 2
    assert "'recrod'; there are: check, " in capsys.readouterr().err


def test_arguments_are_passed_on(monkeypatch):
    seen = []
    monkeypatch.setattr(sharing, "main", lambda arguments: seen.append(arguments) or 1)
    assert command.main(["verify", "sources", "--remove"]) == 1
    assert seen == [["verify", "sources", "--remove"]]


def test_help_imports_neither_studies_nor_arithmetic():
    code = "import sys; from transfer_atlas.command import main; main([]); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for module in ("pydantic", "numpy", "torch", "yaml"):
        assert f"'{module}'" not in done.stdout


# ------------------------------------------------------------------------------------------ files of studies


def test_what_is_no_yaml_is_told_in_one_line_with_its_place(tmp_path, capsys):
    file = tmp_path / "study.yaml"
    file.write_text("study: x\ndatasets:\n  a: [1, 2\nexperiments: []\n", encoding="utf-8")
    assert command.main(["check", "--syntax", str(file)]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith(f"{file}, line 4, column 12: not YAML")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "does not exist"),
        (b"", "holds nothing"),
        (b"- a\n", "holds list"),
        (b"a: \xff", "no text in UTF-8"),
    ],
)
def test_what_is_no_study_is_told(tmp_path, content, words):
    file = tmp_path / "study.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=words):
        read_values(file)


def test_shipped_studies_have_no_mistakes(capsys):
    files = [ROOT / "config.yaml", *sorted((ROOT / "studies").glob("*.yaml"))]
    assert command.main(["check", *map(str, files)]) == 0
    assert capsys.readouterr().out.count("no mistakes found") == len(files)


def test_a_mistake_in_a_study_is_told_by_its_key(tmp_path, capsys):
    file = tmp_path / "study.yaml"
    file.write_text(
        (ROOT / "config.yaml").read_text(encoding="utf-8").replace("\ndatasets:", "\ndatasetz:"),
        encoding="utf-8",
    )
    assert command.main(["check", str(file)]) == 1
    assert "datasetz: unknown key" in capsys.readouterr().err
