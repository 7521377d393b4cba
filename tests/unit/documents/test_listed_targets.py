"""`make help` and `snakemake --list` say what every target is for."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
FILES = [REPOSITORY / "Snakefile", *sorted((REPOSITORY / "rules").glob("*.smk"))]
RULE = re.compile(r"^(?:rule (\w+)|use rule \w+ as (\w+) with):\n(.*)$", re.MULTILINE)


def rules():
    for path in FILES:
        for one, other, below in RULE.findall(path.read_text(encoding="utf-8")):
            yield one or other, below


def test_every_rule_says_what_it_is_for():
    told = dict(rules())
    assert {"all", "report", "transfer", "plan", "recommend", "published"} <= set(told)
    silent = [name for name, below in told.items() if not re.fullmatch(r'    """[A-Z].{10,110}\."""', below)]
    assert silent == []  # `snakemake --list` shows these lines


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_help_tells_of_every_target():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    (names,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    asked = subprocess.run(["make", "help"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    told = {line.split()[1]: line.split(maxsplit=2)[2] for line in asked.stdout.splitlines()}
    assert set(names.split()) - set(told) == {"readable"}  # a step of others, nobody's target
    assert all(len(words) > 5 for words in told.values())
