"""DomainNet: 345 classes in six domains, of which any may be chosen."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from transfer_atlas.datasets.adapters.base import leads_out
from transfer_atlas.datasets.official.base import Item, OfficialAdapter, OfficialSettings, split_on_disk
from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.official.class_folders import ClassReader
from transfer_atlas.datasets.official.files import read_lines, unpacked
from transfer_atlas.datasets.prepared import TaskType
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.errors import DatasetError

Domain = Literal["clipart", "infograph", "painting", "quickdraw", "real", "sketch"]
CARD = Card(
    title="DomainNet",
    obtain="http://ai.bu.edu/M3SDA",
    archives=(
        "clipart.zip, infograph.zip, painting.zip, quickdraw.zip, real.zip, sketch.zip",
        "{domain}_{train,test}.txt",
    ),
    layout=("<domain>/<class>/*", "<domain>_train.txt", "<domain>_test.txt"),
    gigabytes=18,
    licence="fair use notice of the authors; research",
    citation="Peng et al., Moment Matching for Multi-Source Domain Adaptation, ICCV 2019",
    differences=(
        "Lists of the first release and of the cleaned one (clipart, painting) differ: those that are there count.",
    ),
)


class Settings(OfficialSettings):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("classification",)
    name: Literal["domainnet"] = "domainnet"
    path: str = Field("domainnet", description="Folder with the domains and their lists.")
    splits: dict[str, str] = Field(
        {"train": "train", "val": "test"},
        min_length=1,
        description="Split -> the dataset's own split it is made of.",
    )
    domains: list[Domain] = Field(
        ["clipart", "infograph", "painting", "quickdraw", "real", "sketch"],
        min_length=1,
        description="Domains that are read.",
    )


class DomainNetReader(ClassReader):
    """Images and class indices are those of the lists, of which each line is `path index`."""

    def __init__(self, settings: Settings, root: Any, dataset: str) -> None:
        super().__init__(settings, root, dataset)
        self.place = unpacked(self.folder, "domainnet", "*_train.txt")
        self.lines = {
            (domain, split): self._lines(domain, split)
            for domain in settings.domains
            for split in ("train", "test")
        }
        names: dict[int, str] = {}
        for lines in self.lines.values():
            for path, index in lines:
                if names.setdefault(index, path.split("/")[-2]) != path.split("/")[-2]:
                    raise DatasetError(
                        f"Dataset '{dataset}': class {index} is {names[index]} and, for {path}, another. Expected the "
                        "authors' lists: fetch them anew."
                    )
        # indices of classes that no list names keep their place
        self.classes = [names.get(at, f"class {at}") for at in range(max(names, default=-1) + 1)]

    def _lines(self, domain: str, split: str) -> list[tuple[str, int]]:
        path, found = self.place / f"{domain}_{split}.txt", []
        for line in read_lines(path, self.dataset):
            name, _, index = line.rpartition(" ")
            if name.count("/") < 2 or not index.isdigit() or leads_out(name):
                raise DatasetError(
                    f"Dataset '{self.dataset}': a line of {path} is '{line[:80]}'. Expected <domain>/<class>/<image> "
                    "and an index: fetch the list anew."
                )
            found.append((name, int(index)))
        return found

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Images that the lists name, by path."""
        own = split_on_disk(self.settings, split, ("train", "test"), self.dataset)
        chosen = [line for domain in self.settings.domains for line in self.lines[domain, own]]
        items = []
        for name, index in sorted(chosen):
            path = self.place / name
            items.append(Item(self.identifier(path), split, path, known=index))
        return self.present(items, problems)


ADAPTER = OfficialAdapter(Settings, DomainNetReader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
