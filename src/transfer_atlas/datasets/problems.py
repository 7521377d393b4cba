"""Collects what is wrong with a dataset, so that its user can mend everything in one go."""

from __future__ import annotations

from transfer_atlas.errors import DatasetError

LIMIT = 20  # more would not be read, and a wrong pattern makes one problem per image


class Problems:
    """The problems found so far in one dataset; raises `DatasetError` once there are `limit` of them."""

    def __init__(self, dataset: str, limit: int = LIMIT) -> None:
        """Start without problems; dataset: its name, for the message."""
        self.dataset = dataset
        self.limit = limit
        self.texts: list[str] = []
        self.passed_over: dict[str, int] = {}  # what -> how often it was met

    def __bool__(self) -> bool:
        """Whether any problem was found."""
        return bool(self.texts)

    def add(self, where: object, found: str, expected: str, remedy: str) -> None:
        """Note one problem: the file (or image id), what was found, what was expected, and what to do.

        Raises:
            DatasetError: this was problem number `limit`.
        """
        self.texts.append(f"{where}: {found}; expected {expected}. {remedy}")
        if len(self.texts) >= self.limit:
            self.raise_if_any(more=True)

    def pass_over(self, what: str, number: int = 1) -> None:
        """Count what looks like part of the dataset and is not used; nothing if the number is 0."""
        if number:
            self.passed_over[what] = self.passed_over.get(what, 0) + number

    def raise_if_any(self, more: bool = False) -> None:
        """Raise DatasetError with all problems, if there are any; `more`: the search stopped early."""
        if not self.texts:
            return
        number = f"the first {len(self.texts)} problems" if more else f"{len(self.texts)} problem(s)"
        lines = "\n".join(f"  {text}" for text in self.texts)
        raise DatasetError(f"Dataset '{self.dataset}' cannot be prepared, {number}:\n{lines}")
