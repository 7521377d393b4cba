"""Where the images of a dataset are, and which split each is in: settings that all adapters of image files share."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from transfer_atlas.datasets.adapters.base import RawSettings, relative_to
from transfer_atlas.datasets.adapters.list_files import ByPath, named_files, read_lines
from transfer_atlas.datasets.adapters.patterns import (
    IMAGE_SUFFIXES,
    OTHER_IMAGE_SUFFIXES,
    Pattern,
    existing,
    fields_of,
    fill,
    find_all,
)
from transfer_atlas.datasets.adapters.split_rules import split_by_share
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.errors import DatasetError

Found = tuple[Path, dict[str, str]]  # an image, and the parts of the pattern that it matched
SplitName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]


class ImageFiles(RawSettings):
    """Folder, pattern and splits of the images."""

    path: str = Field(description="Folder of the raw dataset, relative to the data root.")
    images: Pattern = Field(
        "images/{split}/*",
        description="Pattern of the images below `path`. {split} is the split's name on disk; `*` and other "
        "{names} match within one folder or file name, `**/` any number of folders, {jpg,png} one of the words. "
        "Without a suffix, images of any kind match; upper and lower case of suffixes are one.",
    )
    exclude: list[Pattern] = Field(
        [], description="Patterns of files that `images` matches and that are no images of the dataset."
    )
    splits: dict[SplitName, Pattern] = Field(
        {"train": "train", "val": "val"}, min_length=1, description="Split -> its name on disk, for {split}."
    )
    orientation: Literal["as_stored", "as_shown"] | None = Field(
        None,
        description="Whether annotations fit photographs as they are stored or, where EXIF data turn them, as they "
        "are shown. Without it, a photograph that is turned is refused.",
    )

    @property
    def split_names(self) -> list[str]:
        """Names of the splits, sorted: the order in the settings means nothing."""
        return sorted(self.splits)

    def used(self, splits: Collection[str] | None = None) -> list[str]:
        """Names of the splits, sorted; splits: only these of them."""
        return [name for name in self.split_names if splits is None or name in splits]

    def check_pattern(self, name: str, pattern: str) -> None:
        """Raise ValueError if a pattern of files that belong to images has parts no image matches."""
        unknown = fields_of(pattern) - fields_of(self.images) - {"split", "stem", "parent"}
        if unknown:
            raise ValueError(f"{name}: {sorted(unknown)} do not occur in images")


class ListedImageFiles(ImageFiles):
    """Images whose splits are told by folders, by list files, or by a rule."""

    IN_ANNOTATIONS: ClassVar[bool] = False  # whether files of annotations list the images of their split

    lists: dict[SplitName, Pattern] | None = Field(
        None,
        description="Split -> text file below `path`, one image a line, by {stem}, name or path, "
        "where folders do not tell splits.",
    )
    split: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Share of the images that are for validation, where neither folders nor lists tell splits: "
        "chosen by a rule with a seed.",
    )
    split_seed: int = Field(0, ge=0, description="Seed of `split`.")
    split_groups: str | None = Field(
        None,
        description="What images have in common that `split` must not divide, in the parts that `images` matched: "
        "{scene}, {parent}. By default each image is a group of its own.",
    )

    @property
    def split_names(self) -> list[str]:
        """Names of the splits, sorted."""
        if self.split is not None:
            return ["train", "val"]
        return sorted(self.splits if self.lists is None else self.lists)

    @model_validator(mode="after")
    def _splits_differ(self) -> Self:
        if self.lists is not None and self.split is not None:
            raise ValueError("split and lists exclude each other: a rule, or lists")
        if self.split is not None and "{split}" in self.images:
            raise ValueError("split: the folders of {split} in images tell splits already; remove one")
        if self.split_groups is not None:
            if self.split is None:
                raise ValueError("split_groups: without `split` nothing is divided")
            self.check_pattern("split_groups", self.split_groups)
        told = self.lists is not None or self.split is not None or self.IN_ANNOTATIONS
        if not told and len(self.splits) > 1 and "{split}" not in self.images:
            raise ValueError(
                "images: without {split} all splits would be the same; add it, `lists` or `split`"
            )
        return self


def images_of(
    settings: ImageFiles, folder: Path, split: str, problems: Problems, others: Sequence[str] = ()
) -> list[Found]:
    """Return the images of a split in the order of their paths, with the parts of the pattern they matched.

    others: patterns of files that belong to images (masks, depth); an image that is another image's mask is none.
    Files beside them that look like images and do not match are counted.
    """
    known = {"split": settings.splits.get(split, split)}
    beyond: list[Path] = []
    every = list(find_all(folder, settings.images, known, beyond))
    matched = [(path, parts) for path, parts in every if parts is not None]
    belonging = {existing(folder, fill(pattern, parts)) for pattern in others for _, parts in matched}
    excluded = {
        path
        for pattern in settings.exclude
        for path, parts in find_all(folder, pattern, known)
        if parts is not None
    }
    found = [(path, parts) for path, parts in matched if path not in belonging and path not in excluded]
    for path, parts in every:
        if parts is None and path not in belonging | excluded and path.suffix.lower() in IMAGE_SUFFIXES:
            problems.pass_over(f"{relative_to(path.parent, folder)}/*{path.suffix}")
        elif parts is None and path.suffix.lower() in OTHER_IMAGE_SUFFIXES:
            problems.mention(f"{relative_to(path.parent, folder)}/*{path.suffix}")
    homes = {path.parent for path in belonging}
    for place in beyond:
        if place not in homes:
            number = sum(path.suffix.lower() in IMAGE_SUFFIXES for path in place.iterdir())
            problems.mention(f"images in {relative_to(place, folder)}/, where `images` does not lead", number)
    used = belonging | {path for path, _ in matched}
    for pattern in others:
        if ("{split}" in pattern) == ("{split}" in settings.images):
            for path, parts in find_all(folder, pattern, known):
                if parts is not None and path not in used:
                    problems.mention(
                        f"{relative_to(path.parent, folder)}/*{path.suffix} that belong to no image"
                    )
    if not found:
        where = f"{folder}/{settings.images.replace('{split}', known['split'])}"
        remedy = "Correct `images`, `splits` or `path`."
        problems.add(where, f"no file matches (split {split})", "the images of the split", remedy)
    _check_names(found, folder, problems)
    return found


def identifier_of(path: Path, folder: Path) -> str:
    """Id of an image: its path below the folder of the dataset, without suffix."""
    return relative_to(path, folder).removesuffix(path.suffix)


def _check_names(found: list[Found], folder: Path, problems: Problems) -> None:
    """Add a problem for images that differ in their suffixes alone: their ids, and masks, would be the same."""
    seen: dict[str, Path] = {}
    for path, _ in found:
        other = seen.setdefault(identifier_of(path, folder), path)
        if other is not path:
            files = f"{relative_to(other, folder)} and {path.name}"
            remedy = "Keep one of them, or say in `images` which suffix counts."
            problems.add(files, "two images of one name", "names that differ without their suffixes", remedy)


def listed_images(
    settings: ListedImageFiles, folder: Path, split: str, problems: Problems, others: Sequence[str] = ()
) -> Iterator[Found]:
    """Yield the images of a split as `images_of` does; or those that the rule, or the split's list file, chooses.

    Those of a list are in the order of the list.
    """
    found = images_of(settings, folder, split, problems, others)
    if settings.split is not None:
        pattern = settings.split_groups
        groups = [
            identifier_of(path, folder) if pattern is None else fill(pattern, parts) for path, parts in found
        ]
        if len(found) and len(set(groups)) < 2 and split == "train":
            told = f"all {len(found)} images are in the one group {groups[0]!r}" if pattern else "one image"
            remedy = "Correct `split_groups`, or tell splits by `lists`."
            problems.add(f"{folder}, `split`", told, "two groups or more to divide", remedy)
        validation = split_by_share(groups, settings.split, settings.split_seed)
        yield from (one for one, is_val in zip(found, validation, strict=True) if is_val == (split == "val"))
    elif settings.lists is None or not found:
        yield from found
    else:
        files = ByPath((relative_to(one[0], folder), one) for one in found)
        chosen = _listed(settings, folder, split, files, problems)
        yield from (one for _, one in chosen)
        _check_overlap(settings, folder, split, files, chosen, problems)
        _mention_unlisted(settings, folder, split, files, (found, chosen), problems)


def _listed(
    settings: ListedImageFiles, folder: Path, split: str, files: ByPath[Found], problems: Problems
) -> list[tuple[str, Found]]:
    """Images of a list file, each with where the list says it."""
    list_file = folder / settings.lists[split]
    lines = read_lines(list_file, problems.dataset, f"one image a line for split {split}", f"lists.{split}")
    if not lines:
        raise DatasetError(
            f"Dataset '{problems.dataset}': the list file {list_file} is empty. Expected one image a line for split "
            f"{split}: correct `lists`, or fetch the file."
        )
    names = []
    for number, line in lines:
        word = line.split()[0]
        # of a line with several words, as the lists of some datasets have, the first is the image
        names.append((f"{list_file}, line {number}", line if files.find(line)[0] else word))
    found = named_files(names, files, problems, f"the images ({settings.images})")
    return [(names[at][0], one) for at, one in found]


def _check_overlap(
    settings: ListedImageFiles,
    folder: Path,
    split: str,
    files: ByPath[Found],
    chosen: list[tuple[str, Found]],
    problems: Problems,
) -> None:
    """Add a problem for images that the list of another split names, too."""
    mine = {one[0]: where for where, one in chosen}
    for other in settings.split_names:
        if other <= split or not (folder / settings.lists[other]).is_file():
            continue  # each pair once; what is missing is said when its split is read
        for where, one in _listed(settings, folder, other, files, Problems(problems.dataset, limit=10**9)):
            if one[0] in mine:
                found = f"{relative_to(one[0], folder)} is in split {split} as well ({mine[one[0]]})"
                problems.add(where, found, "each image in one split only", "Remove it from one of the lists.")


def _mention_unlisted(
    settings: ListedImageFiles,
    folder: Path,
    split: str,
    files: ByPath[Found],
    images: tuple[list[Found], list[tuple[str, Found]]],
    problems: Problems,
) -> None:
    """Count the images that no list names; images: those found for this split, and those its list chose."""
    found, chosen = images
    if "{split}" not in settings.images:  # all splits choose among the same images, which are counted once
        if split != settings.split_names[0]:
            return
        unheard = Problems(problems.dataset, limit=10**9)
        for other in settings.split_names[1:]:
            if (folder / settings.lists[other]).is_file():
                chosen = chosen + _listed(settings, folder, other, files, unheard)
    listed = {one[0] for _, one in chosen}
    problems.mention("images that no list names", len({path for path, _ in found} - listed))
