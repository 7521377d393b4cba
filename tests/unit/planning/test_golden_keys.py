"""The keys of the shipped studies are what they were: nobody's results are computed again by accident."""

import golden_keys
import pytest
import yaml

from transfer_atlas import code_versions


@pytest.fixture(scope="module")
def now():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(code_versions, "versions", lambda stages, *more: dict.fromkeys(stages, 1))
        yield golden_keys.keys_now()


@pytest.mark.parametrize("study", golden_keys.STUDIES)
def test_keys_of_a_shipped_study(now, study):
    told = yaml.safe_load(golden_keys.GOLDEN.read_text(encoding="utf-8"))
    assert now[study] == told["keys"].get(study), (
        f"keys of {study} changed: everybody would compute these runs again. A new setting leaves the hash at the "
        "default it is introduced with (transfer_atlas/strict.py). Where keys must change, write them anew: "
        'python tests/support/golden_keys.py "the reason"'
    )
    assert told["reasons"]
