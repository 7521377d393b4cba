"""Collects what is wrong with a dataset, so that its user can mend everything in one go."""

from __future__ import annotations

from transfer_atlas.errors import DatasetError

LIMIT = 20  # more would not be read, and a wrong pattern makes one problem per image


class Problems:
    """The problems found so far in one dataset; raises `DatasetError` once there are `limit` of them."""

    def __init__(self, dataset: str, limit: int = LIMIT, tolerate: float = 0.0) -> None:
        """Start without problems.

        dataset: its name, for the message; tolerate: share of the images that may be broken (see `broken`).
        """
        self.dataset = dataset
        self.limit, self.tolerate = limit, tolerate
        self.texts: list[str] = []
        self.broken_texts: dict[str, str] = {}  # file -> what is wrong with it; such images are left out
        self.passed_over: dict[str, int] = {}  # what -> number of files
        self.mentioned: dict[str, int] = {}  # the same, told when a dataset is read and not kept with it

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

    def broken(self, where: object, found: str, expected: str, remedy: str) -> None:
        """Note a file that cannot be decoded: left out and named where some are tolerated, else a problem."""
        if self.tolerate > 0:
            self.broken_texts[str(where)] = found
        else:
            self.add(where, found, expected, remedy)

    def pass_over(self, what: str, number: int = 1) -> None:
        """Count files that look like images of the dataset and are not used; what: where, and of which kind."""
        if number:
            self.passed_over[what] = self.passed_over.get(what, 0) + number

    def mention(self, what: str, number: int = 1) -> None:
        """Count files beside those the settings ask for, which somebody may have meant to be part of the dataset."""
        if number:
            self.mentioned[what] = self.mentioned.get(what, 0) + number

    def merge(self, texts: list[str], broken: dict[str, str], passed_over: dict[str, int]) -> None:
        """Take over what another has found. Raises DatasetError as `add` does."""
        self.broken_texts |= broken
        for what, number in passed_over.items():
            self.pass_over(what, number)
        for text in texts:
            self.texts.append(text)
            if len(self.texts) >= self.limit:
                self.raise_if_any(more=True)

    def check_broken(self, images: int) -> None:
        """Add the problem that more images are broken than are tolerated; images: how many are in order."""
        number = len(self.broken_texts)
        if number > self.tolerate * (images + number):
            named = "; ".join(f"{file}: {found}" for file, found in sorted(self.broken_texts.items())[:5])
            self.add(
                f"{number} of {images + number} images",
                f"cannot be read ({named}{'; ...' if number > 5 else ''})",
                f"at most {100 * self.tolerate:g}%, which `tolerate_broken` says",
                "Fetch them anew, or raise it.",
            )

    def raise_if_any(self, more: bool = False) -> None:
        """Raise DatasetError with all problems, if there are any; `more`: the search stopped early."""
        if not self.texts:
            return
        number = f"the first {len(self.texts)} problems" if more else f"{len(self.texts)} problem(s)"
        lines = "\n".join(f"  {text}" for text in self.texts)
        raise DatasetError(f"Dataset '{self.dataset}' cannot be prepared, {number}:\n{lines}")
