"""How two binary tasks are related: by what their images show, and by their classes. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SAME, OVERLAPPING, OTHER = "same", "overlapping", "other"
SUBSET, SUPERSET, COMPLEMENTARY, DISJOINT = "subset", "superset", "complementary", "disjoint"
OTHER_DATASET, SEVERAL, MIXED = "other_dataset", "several", "mixed"
INPUTS = (SAME, OVERLAPPING, OTHER, OTHER_DATASET, MIXED)
CLASSES = (SAME, SUBSET, SUPERSET, COMPLEMENTARY, DISJOINT, OVERLAPPING, OTHER_DATASET, SEVERAL)


@dataclass(frozen=True)
class Subtask:
    """A binary task: its dataset, foreground classes, and channels (none where the dataset has one kind of images).

    family: of the classes, "" where the dataset names no families, None where the classes are of several or of none.
    """

    dataset: str
    classes: frozenset[str]
    modality: str | None
    channels: frozenset[str]
    family: str | None

    @property
    def name(self) -> str:
        """Its classes in words, whatever shows them."""
        return "+".join(sorted(self.classes))


@dataclass(frozen=True)
class Relation:
    """Of a source to a target: `inputs` and `classes` as INPUTS and CLASSES say; related: whether of one family, None
    where a source of several tasks is both.
    """

    inputs: str
    classes: str
    related: bool | None


@dataclass(frozen=True)
class Subtasks:
    """The binary tasks of a study by place, such as `brain@core_t1`, and the wholes of each dataset: class sets that
    are tasks or families, of which complementary tasks are the two sides.
    """

    tasks: Mapping[str, Subtask]
    wholes: Mapping[str, frozenset[frozenset[str]]]

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> Subtasks:
        """From what planning tells of each dataset: its families, and classes, modality, channels of each place."""
        tasks, wholes = {}, {}
        for dataset, told in facts.items():
            families = {name: frozenset(classes) for name, classes in told["families"].items()}
            for place, task in told["tasks"].items():
                classes = frozenset(task["classes"])
                family = next(
                    (name for name, members in sorted(families.items()) if classes <= members), None
                )
                tasks[place] = Subtask(
                    dataset,
                    classes,
                    task["modality"],
                    frozenset(task["channels"]),
                    family if families else "",
                )
            own = {task.classes for task in tasks.values() if task.dataset == dataset}
            wholes[dataset] = frozenset(own | set(families.values()))
        return cls(tasks, wholes)

    def relation(self, sources: Sequence[str], target: str) -> Relation | None:
        """Of a source trained on one or several places; None where one of them, or the target, is no binary task."""
        if target not in self.tasks or not sources or any(source not in self.tasks for source in sources):
            return None
        found = [self._of_one(self.tasks[source], self.tasks[target]) for source in sources]
        if len(found) == 1:
            return found[0]
        related = {each.related for each in found}
        return Relation(
            _common((each.inputs for each in found), MIXED),
            SEVERAL,
            related.pop() if len(related) == 1 else None,
        )

    def _of_one(self, source: Subtask, target: Subtask) -> Relation:
        if source.dataset != target.dataset:
            return Relation(OTHER_DATASET, OTHER_DATASET, False)
        inputs = SAME if source.channels == target.channels else OTHER
        if inputs == OTHER and source.channels & target.channels:
            inputs = OVERLAPPING
        related = source.family is not None and source.family == target.family
        return Relation(
            inputs, class_relation(source.classes, target.classes, self.wholes[target.dataset]), related
        )


def class_relation(source: frozenset[str], target: frozenset[str], wholes: Collection[frozenset[str]]) -> str:
    """How the source's classes lie to the target's: `subset` where the source's are part of the target's.

    Two sets without a common class are complementary if together they are one of `wholes`, else disjoint.
    """
    if source == target:
        return SAME
    if source < target:
        return SUBSET
    if source > target:
        return SUPERSET
    if source & target:
        return OVERLAPPING
    return COMPLEMENTARY if source | target in wholes else DISJOINT


def _common(values: Iterable[str], otherwise: str) -> str:
    found = set(values)
    return found.pop() if len(found) == 1 else otherwise
