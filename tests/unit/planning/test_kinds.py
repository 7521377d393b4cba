"""The table of kinds against what cannot be derived from it: rules, runners, placeholders, stages, layers of DVC."""

import re
from pathlib import Path

import pytest
import yaml

from transfer_atlas.code_versions import read_record
from transfer_atlas.planning.kinds import KINDS, called, rank_of

REPOSITORY = Path(__file__).resolve().parents[3]
RULES = "\n".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "rules").glob("*.smk"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_rule_and_every_rule_its_kind(kind):
    rule = KINDS[kind].rule
    (text,) = re.findall(
        rf"^(?:use rule \w+ as {rule} with|rule {rule}):\n(.*?)(?=^\S|\Z)", RULES, re.M | re.S
    )
    for asked in (f'mark("{kind}")', f'log_of("{kind}")', f'job_of("{kind}")', f'memory_of("{kind}")'):
        assert asked in text, f"rule {rule} lacks {asked}"
    if kind != "prepared":  # which builds on raw files alone
        assert f'parents_of("{kind}")' in text


def test_no_rule_carries_out_what_is_no_kind():
    assert set(re.findall(r'mark\("(\w+)"\)', RULES)) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_runners_and_placeholders_are_there(kind):
    described = KINDS[kind]
    assert callable(called(described.runner))
    # a legitimate failure must still leave the declared files; preparing has none
    assert (described.placeholder is not None) == (bool(described.files) and kind not in ("prepared", "part"))
    if described.placeholder is not None:
        assert callable(called(described.placeholder))


def test_folders_rules_and_titles_are_told_apart():
    for name in ("folder", "rule", "title"):
        values = [getattr(kind, name) for kind in KINDS.values()]
        assert len(set(values)) == len(values)
    assert [rank_of(kind) for kind in KINDS] == list(range(len(KINDS)))


@pytest.mark.parametrize("kind", KINDS)
def test_stages_of_code_are_declared(kind):
    declared = read_record()["stages"]
    for stage in KINDS[kind].code:
        pattern = re.compile(re.sub(r"\{\w+\}", r"\\w+", stage))
        assert any(pattern.fullmatch(name) for name in declared), stage


def test_shared_kinds_are_layers_of_dvc_and_no_others():
    stages = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    outputs = {
        next(iter(out)) if isinstance(out, dict) else out
        for s in stages.values()
        for out in s.get("outs", [])
    }
    layers = {out.removeprefix("store/") for out in outputs if out.startswith("store/")}
    assert layers == {kind.folder for kind in KINDS.values() if kind.shared}
