"""What of a section of the configuration enters a key, and that it comes back."""

from typing import Annotated

import pytest
from pydantic import ValidationError

from transfer_atlas.store.keys import key_of
from transfer_atlas.strict import Introduced, Strict
from transfer_atlas.training.settings import Optimizer, TrainingSettings


class Inner(Strict):
    kind: str = "a"
    only_b: int = 3

    def unused(self):
        return {"only_b"} if self.kind == "a" else set()


class Before(Strict):
    rate: float = 0.1
    inner: Inner = Inner()


class After(Strict):
    """The same section with two settings that were added later; the default of one has changed since."""

    rate: float = 0.1
    inner: Inner = Inner()
    warm_up: Annotated[int, Introduced(0)] = 0
    changed: Annotated[str, Introduced("old")] = "new"


def test_a_new_setting_at_its_first_default_leaves_the_hash():
    assert After(changed="old").hashed() == Before().hashed()
    assert key_of(After(changed="old").hashed()) == key_of(Before().hashed())
    assert After(warm_up=5, changed="old").hashed() == Before().hashed() | {"warm_up": 5}
    assert After().hashed() == Before().hashed() | {
        "changed": "new"
    }  # the default of today is no default then


def test_what_left_the_hash_comes_back_as_it_was():
    for section in (After(), After(changed="old"), After(warm_up=3), After(inner=Inner(kind="b", only_b=9))):
        assert After.from_hashed(section.hashed()) == section


def test_what_the_variant_does_not_use_leaves_the_hash():
    assert Inner(only_b=9).hashed() == Inner().hashed() == {"kind": "a"}
    assert Inner(kind="b", only_b=9).hashed() != Inner(kind="b").hashed()
    assert Optimizer(name="adam", momentum=0.5).hashed() == Optimizer(name="adam").hashed()
    assert Optimizer(momentum=0.5).hashed() != Optimizer().hashed()


def test_training_settings_come_back():
    chosen = TrainingSettings(crop=(64, 32), schedule={"policy": "poly"}, optimizer={"name": "adam"})
    assert TrainingSettings.from_hashed(chosen.hashed()) == chosen


def test_unknown_names_are_refused_on_both_ways():
    with pytest.raises(ValidationError):
        After(other=1)
    with pytest.raises(ValidationError):
        After.from_hashed({"other": 1})
