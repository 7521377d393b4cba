"""What the documents say is so: commands exist, files are there, settings are taken, quoted messages are said."""

import ast
import re
from pathlib import Path

import pytest
import study_examples as examples
import yaml

from transfer_atlas.command import COMMANDS
from transfer_atlas.study.parse import parse_study
from transfer_atlas.study.study import Study

REPOSITORY = Path(__file__).parents[3]
DOCUMENTS = {
    path.relative_to(REPOSITORY).as_posix(): path.read_text(encoding="utf-8")
    for path in [
        REPOSITORY / "README.md",
        REPOSITORY / "CONTRIBUTING.md",
        *sorted(REPOSITORY.glob("docs/*.md")),
    ]
}
SOURCE = REPOSITORY / "src/transfer_atlas"
PIECE = r"[A-Za-z0-9_./@-]"  # of a path


def code_of(text: str) -> list[str]:
    """Code of a page: blocks, fenced or indented, line by line, and what stands between backticks."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += [line.strip() for line in text.splitlines() if line.startswith("    ")]
    return lines + [" ".join(inline.split()) for inline in re.findall(r"`([^`]+)`", text)]


EVERYTHING = {name: code_of(text) for name, text in DOCUMENTS.items()}


def said(pattern: str) -> set[tuple[str, str]]:
    """Page and first group of whatever matches in its code."""
    return {
        (page, found)
        for page, lines in EVERYTHING.items()
        for line in lines
        for found in re.findall(pattern, line)
    }


def test_every_subcommand_exists():
    named = said(r"(?:^|^\S*/|[;&|] )transfer-atlas ([a-z][a-z-]+)")
    assert len({command for _, command in named}) > 8
    assert not {each for each in named if each[1] not in COMMANDS}


def test_every_target_of_snakemake_exists():
    rules = set()
    for path in [REPOSITORY / "Snakefile", *REPOSITORY.glob("rules/*.smk")]:
        rules |= set(re.findall(r"^(?:use rule \w+ as|rule) (\w+)", path.read_text("utf-8"), re.MULTILINE))
    named = said(r"(?:^|^\S*/|[;&|] )snakemake ([a-z][a-z_]+)")
    assert {"plan", "recommend"} <= {target for _, target in named}
    assert not {each for each in named if each[1] not in rules}


def test_every_target_of_make_exists():
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = said(r"(?:^|\s)make ([a-z][a-z-]+)")
    assert {"study", "test"} <= {target for _, target in named}
    assert not {each for each in named if each[1] not in targets}


def test_a_target_stands_before_the_configuration_file():
    """Snakemake takes what follows --configfile for more of them, and --config for settings."""
    wrong = {
        each
        for each in said(r"^(snakemake .*--config(?:file)? [^;]*)")
        if re.search(r"--configfile \S+ (?!-)\w+(\s|$)", each[1])
        or re.search(r"--config .*--configfile", each[1])
    }
    assert not wrong


def test_recommend_is_asked_of_a_study():
    """A new dataset is in a study of one's own: without it, no such task is known."""
    calls = said(r"^(snakemake recommend .*target=segmentation/my_dataset.*)")
    assert calls and not {each for each in calls if "--configfile" not in each[1]}


def test_every_file_that_is_named_is_there():
    roots = "src|docs|studies|tests|rules|workflow_scripts|resources|profiles|envs|benchmarks|report"
    named = said(rf"(?:^|\s)((?:{roots})/{PIECE}+)")
    named = {(page, path.rstrip(".,/")) for page, path in named}
    yours = re.compile(r"my_|harbour|<|\.\.\.|_$")  # of the reader's own, or one of several
    missing = {each for each in named if not yours.search(each[1]) and not (REPOSITORY / each[1]).exists()}
    assert len(named) > 30
    assert not missing


# ---------------------------------------------------------------------------------------------------- settings


def yaml_blocks() -> list[tuple[str, dict]]:
    """Blocks of the documents that are sections of a study."""
    found = []
    for page, text in DOCUMENTS.items():
        blocks = re.findall(r"^```ya?ml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        blocks += [
            "".join(f"{line[4:]}\n" for line in block.splitlines())
            for block in re.findall(r"(?:^(?: {4}.*)?\n)+", text, re.MULTILINE)
        ]
        for block in blocks:
            try:
                content = yaml.safe_load(block)
            except yaml.YAMLError:
                continue
            of_study = isinstance(content, dict) and content and set(content) <= set(Study.model_fields)
            if of_study and "adapter" not in (content.get("ilsvrc") or {}):  # a dataset of that name
                found.append((page, content))
    return found


def merged(first: dict, second: dict) -> dict:
    """Mappings joined at every level; what the second says goes."""
    both = {
        name: merged(first[name], value)
        if isinstance(value, dict) and isinstance(first.get(name), dict)
        else value
        for name, value in second.items()
    }
    return first | both


BLOCKS = yaml_blocks()
# A task of it, and a classification set, which snippets of experiments and checkpoints speak of.
SPOKEN_OF = {
    "datasets": {
        "harbour": examples.folders("harbour"),
        **{name: examples.folders(name) for name in ("coco", "mapillary", "isaid", "scannet")},
    }
}


@pytest.mark.parametrize(("page", "section"), BLOCKS, ids=[f"{p}:{'+'.join(b)}" for p, b in BLOCKS])
def test_settings_of_a_block_are_taken(page, section):
    origin = {"ilsvrc": None} if "ilsvrc" in section else {}
    study = merged({**examples.values(), **origin}, SPOKEN_OF)
    if section.get("ilsvrc") and "datasets" not in section:
        study["ilsvrc"] = section["ilsvrc"]
    for name, dataset in (section.get("datasets") or {}).items():
        study["datasets"][name] = dataset  # another adapter has other keys: nothing is left of the example's
    rest = {name: value for name, value in section.items() if name not in ("datasets", "ilsvrc")}
    if "ilsvrc" in section:
        rest["ilsvrc"] = section["ilsvrc"]
        study.pop("ilsvrc")
    parse_study(merged(study, rest))


@pytest.mark.parametrize("number", ["1e-3", "1.0e-3", "0.001"])
def test_numbers_are_read_however_they_are_written(number):
    """YAML takes 1e-3 for text; a setting that is a number takes that text for a number."""
    rate = yaml.safe_load(f"rate: {number}")["rate"]
    study = parse_study(examples.values(("task_types.segmentation.training.learning_rate", rate)))
    assert study.task_types["segmentation"].training.learning_rate == 0.001


# ---------------------------------------------------------------------------------------------------- messages


def constants_of_the_code() -> list[str]:
    """Every text of the code as it is said, `\\0` where a value stands."""
    found = []
    files = [
        *SOURCE.rglob("*.py"),
        *REPOSITORY.glob("workflow_scripts/*.py"),
        *REPOSITORY.glob("rules/*.smk"),
    ]
    for path in files:
        if path.suffix == ".smk":
            found += re.findall(r'"((?:[^"\\]|\\.)*)"', path.read_text("utf-8"))
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                found.append("".join(p.value if isinstance(p, ast.Constant) else "\0" for p in node.values))
    return [" ".join(text.split()) for text in found]


CONSTANTS = constants_of_the_code()
OF_OTHERS = {  # said by DVC, Snakemake, Python or the operating system
    "Can't remove the following unsaved files",
    "Config file is not valid JSON or YAML",
    "FileNotFoundError: ... No such file or directory: 'plan'",
    "FileNotFoundError: ... No such file or directory: '...yaml'",
}


def quoted_messages() -> list[str]:
    """Messages that docs/troubleshooting.md quotes: in its headings, and in the first column of its tables."""
    found = []
    for line in DOCUMENTS["docs/troubleshooting.md"].splitlines():
        if line.startswith("### "):
            found += re.findall(r"`([^`]+)`", line)
        elif line.startswith("| ") and not line.startswith("| `diverged`"):
            found += re.findall(r"`([^`]+)`", line.split(" | ")[0])
    return [message for message in dict.fromkeys(found) if " " in message]


def is_said(message: str) -> bool:
    """Whether a text of the code says it: `...`, numbers and names in quotes stand for values."""
    pieces = [piece.strip() for piece in re.split(r"\.\.\.|\[\.\.\]|\.\.|'|\b\d+\b|\bN\b|\(s\)", message)]
    words = [re.escape(piece) for piece in pieces if re.search(r"\w", piece)]
    pattern = re.compile(r".{0,40}?".join(words))
    return any(pattern.search(text) for text in CONSTANTS)


@pytest.mark.parametrize("message", quoted_messages())
def test_a_quoted_message_is_said(message):
    assert message in OF_OTHERS or is_said(message)


def test_a_message_that_nobody_says_is_found_out():
    assert not is_said("ilsvrc.model is '...', but the moon is '...'")
    assert len(quoted_messages()) > 40
