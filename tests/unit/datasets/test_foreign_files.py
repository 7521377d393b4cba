"""Files as other tools write them: read as they are meant, or refused with the file, the finding and the remedy."""

import io
import struct
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from adapter_examples import parse, save, write
from PIL import Image
from prepared_examples import encoded, pixels

from transfer_atlas.datasets import open_dataset
from transfer_atlas.datasets.prepare import prepare_dataset
from transfer_atlas.errors import DatasetError

H, W = 24, 32
SPLITS = ("train", "val")
MASKS = {"name": "image_mask_folders", "classes": ["a", "b"]}
COCO = {"name": "coco_json"}
OUTLINES = COCO | {"outlines": {}}
POINTS = {"names": ["left", "right"], "sigmas": {"left": 0.1, "right": 0.1}}
VOC = {
    "name": "voc_xml",
    "classes": ["cat", "dog"],
    "lists": None,
    "images": "images/{split}/*",
    "annotations": "xml/{split}/{stem}.xml",
}
YOLO = {"name": "yolo_txt", "classes": ["cat", "dog"]}
POSES = YOLO | {"holds": "poses", "keypoints": POINTS}
TAR = {"name": "webdataset_tar", "classes": ["cat", "dog"]}
PARQUET = {"name": "parquet_files", "classes": ["cat", "dog"]}
FLAT = MASKS | {"images": "images/*", "masks": "masks/{stem}.png"}
LISTED = FLAT | {"lists": {"train": "train.txt", "val": "val.txt"}}
Draw = Callable[[Path], None]


def half() -> np.ndarray:
    mask = np.zeros((H, W), np.uint8)
    mask[:, W // 2 :] = 1
    return mask


def photo(seed: int = 0) -> np.ndarray:
    return pixels(H, W, seed=seed)


def png(header: tuple[int, int], rows: np.ndarray, palette: bytes = b"") -> bytes:
    """A PNG of (bits, colour type) with the bytes (H, n) of its rows as they are, for what Pillow does not write."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    lines = np.concatenate([np.zeros((H, 1), np.uint8), rows.view(np.uint8).reshape(H, -1)], axis=1)
    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", W, H, *header, 0, 0, 0))]
    parts += [chunk(b"PLTE", palette)] if palette else []
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [*parts, chunk(b"IDAT", zlib.compress(lines.tobytes())), chunk(b"IEND", b"")]
    )


def of_16_bits(values: np.ndarray) -> bytes:
    colour_type = {2: 4, 3: 2, 4: 6}[values.shape[2]]
    return png((16, colour_type), np.ascontiguousarray(values.astype(">u2")))


def files(
    image: bytes | None = None, mask: bytes | None = None, suffix: str = "png", images: int = 1
) -> Draw:
    """Images and masks, of which one kind may be given as the bytes of a file."""

    def draw(folder: Path) -> None:
        for split in SPLITS:
            for number in range(images):
                write(
                    folder / f"images/{split}/t{number}.png",
                    encoded(photo(number)) if image is None else image,
                )
                name = folder / f"masks/{split}/t{number}.{suffix}"
                write(name, encoded(half()) if mask is None else mask)

    return draw


def coco(*annotations: dict, categories: Any = None, images: Any = None) -> Draw:
    def draw(folder: Path) -> None:
        for split in SPLITS:
            save(folder / f"images/{split}/t0.png", photo())
            content = {"images": [{"id": 1, "file_name": "t0.png"}] if images is None else images}
            content["annotations"] = [
                {"id": at, "image_id": 1, "category_id": 1, "bbox": [2, 3, 10, 8]} | each
                for at, each in enumerate(annotations)
            ]
            content["categories"] = [{"id": 1, "name": "cat"}] if categories is None else categories
            write(folder / f"annotations/{split}.json", content)

    return draw


def voc(*corners: Any) -> Draw:
    names = ("xmin", "ymin", "xmax", "ymax")
    box = "".join(f"<{name}>{corner}</{name}>" for name, corner in zip(names, corners, strict=True))

    def draw(folder: Path) -> None:
        for split in SPLITS:
            save(folder / f"images/{split}/t0.png", photo())
            text = f"<annotation><object><name>cat</name><bndbox>{box}</bndbox></object></annotation>"
            write(folder / f"xml/{split}/t0.xml", text)

    return draw


def yolo(text: str | bytes, names: str = "") -> Draw:
    def draw(folder: Path) -> None:
        write(folder / "data.yaml", names)
        for split in SPLITS:
            save(folder / f"images/{split}/t0.png", photo())
            write(folder / f"labels/{split}/t0.txt", text)

    return draw


def depth(values: np.ndarray, suffix: str = "npy") -> Draw:
    def draw(folder: Path) -> None:
        for split in SPLITS:
            save(folder / f"images/{split}/t0.png", photo()[: values.shape[-2] if values.ndim > 1 else 1])
            (folder / f"depth/{split}").mkdir(parents=True)
            np.save(folder / f"depth/{split}/t0.{suffix}", values)

    return draw


def listed(names: str, **lists: str) -> Draw:
    def draw(folder: Path) -> None:
        for name in names:
            save(folder / f"images/{name}.png", photo())
            save(folder / f"masks/{name}.png", half())
        for name, text in lists.items():
            write(folder / f"{name}.txt", text)

    return draw


def tar(*members: tuple[str, bytes]) -> Draw:
    def draw(folder: Path) -> None:
        folder.mkdir(parents=True)
        for split in SPLITS:
            with tarfile.open(folder / f"{split}-0.tar", "w") as file:
                for name, content in members:
                    member = tarfile.TarInfo(name)
                    member.size = len(content)
                    file.addfile(member, io.BytesIO(content))

    return draw


def parquet(**columns: Any) -> Draw:
    def draw(folder: Path) -> None:
        (folder / "data").mkdir(parents=True)
        for split in SPLITS:
            pq.write_table(pa.table(columns), folder / f"data/{split}-0.parquet")

    return draw


def together(*draws: Draw) -> Draw:
    def draw(folder: Path) -> None:
        for each in draws:
            each(folder)

    return draw


def link(name: str, to: str) -> Draw:
    def draw(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(to)

    return draw


def gif(mask: np.ndarray) -> bytes:
    return encoded(mask, "GIF")


IMAGE = encoded(photo())
GREYS = bytes(
    value for grey in (0, 1, 5) for value in (grey, grey, grey)
)  # what a tool made of grey 0, 1 and 5
INDICES = np.where(half() == 1, 2, 0).astype(np.uint8)
SIX = MASKS | {"classes": [f"c{k}" for k in range(6)]}
TURNED = Image.Exif()
TURNED[0x0112] = 6
POINT_CATEGORY = {"id": 1, "name": "person", "keypoints": ["left", "right"]}
WITH_POINTS = COCO | {"keypoints": {"sigmas": {"left": 0.1, "right": 0.1}}}
HUGGING_FACE = pa.struct({"bytes": pa.binary(), "path": pa.string()})
DEPTH = {"name": "depth_png", "depth": {"maximum": 10.0, "files": "depth/{split}/{stem}.npy"}}

REFUSED = {
    "12 bits in 16, in colour": (
        files(of_16_bits(photo() * np.uint16(16))),
        MASKS,
        "the upper are empty.*scaled",
    ),
    "10 bits in 16, grey and alpha": (
        files(of_16_bits(photo()[..., :2] * np.uint16(4))),
        MASKS,
        "the upper are empty",
    ),
    "a mask of 16 bits in colour": (
        files(mask=of_16_bits(np.dstack([half()] * 3))),
        MASKS | {"channel": "red"},
        "mode RGB with 16 bits per channel; expected 8 bits",
    ),
    "a palette of greys numbered anew": (
        files(mask=png((8, 3), INDICES, GREYS)),
        SIX,
        r"indices \[0, 2\] that stand for the greys \[0, 5\].*mask_colours",
    ),
    "a GIF of greys": (
        files(mask=gif(np.where(half() == 1, 5, np.arange(W) % 2).astype(np.uint8)), suffix="gif"),
        SIX | {"masks": "masks/{split}/{stem}.gif"},
        "that stand for the greys",
    ),
    "boxes as shares of the size": (
        coco({"bbox": [0.1, 0.2, 0.3, 0.3]}),
        COCO,
        "shares of the image's size.*multiply",
    ),
    "corners as shares of the size": (
        voc(0.1, 0.2, 0.5, 0.6),
        VOC,
        "shares of the image's size.*width and height",
    ),
    "a category called null": (
        coco({}, categories=[{"id": 1, "name": None}]),
        COCO,
        r"categories\[0\] has the name None",
    ),
    "no category": (coco(categories=[]), COCO, "names no category"),
    "a skeleton that counts from 0": (
        coco({"keypoints": [5, 5, 2, 6, 6, 2]}, categories=[POINT_CATEGORY | {"skeleton": [[0, 1]]}]),
        WITH_POINTS,
        "the numbers 1 to 2.*keypoints.skeleton",
    ),
    "a skeleton that is text": (
        coco({"keypoints": [5, 5, 2, 6, 6, 2]}, categories=[POINT_CATEGORY | {"skeleton": "x"}]),
        WITH_POINTS,
        r"train\.json has the skeleton x",
    ),
    "keypoints that are text": (
        coco({}, categories=[POINT_CATEGORY | {"keypoints": "left"}]),
        WITH_POINTS,
        "expected names",
    ),
    "an outline that would fill the memory": (
        coco({"segmentation": [[2, 3, 1e12, 3, 12, 11]]}),
        OUTLINES | {"outside": "clip"},
        "no places near a picture",
    ),
    "run lengths below nothing": (
        coco({"segmentation": {"size": [H, W], "counts": [100, -50, H * W - 50]}}),
        OUTLINES,
        "no whole numbers of pixels",
    ),
    "run lengths that end early": (
        coco({"segmentation": {"size": [H, W], "counts": [99]}}),
        OUTLINES,
        "not in order",
    ),
    "run lengths of junk": (
        coco({"segmentation": {"size": [H, W], "counts": "zz9"}}),
        OUTLINES,
        "not in order",
    ),
    "a segment far away": (
        yolo("0 0.1 0.1 1e9 0.1 0.5 0.5"),
        YOLO | {"holds": "segments", "outside": "clip"},
        "places near",
    ),
    "a pose outside": (
        yolo("0 0.5 0.5 0.2 0.5 7 7 2 0.5 0.5 2"),
        POSES,
        r"keypoint 0 at \[224, 168\].*outside: clip",
    ),
    "a class that YAML takes for false": (
        yolo("1 0.5 0.5 0.2 0.5", "names: [yes, no]"),
        {"name": "yolo_txt"},
        "name 0 is True: YAML reads yes, no.*quote it",
    ),
    "classes with a gap": (
        yolo("2 0.5 0.5 0.2 0.5", "names: {0: cat, 2: dog}"),
        {"name": "yolo_txt"},
        "without 1",
    ),
    "a class named twice": (
        yolo("0 0.5 0.5 0.2 0.5", "names: [cat, cat]"),
        {"name": "yolo_txt"},
        "cat occurs twice",
    ),
    "more classes than names": (
        yolo("0 0.5 0.5 0.2 0.5", "nc: 3\nnames: [a, b]"),
        {"name": "yolo_txt"},
        "nc is 3",
    ),
    "a box out of the picture": (yolo("0 1.5 0.5 0.25 0.5"), YOLO, "a box inside the image.*outside: clip"),
    "an image that is a link to nowhere": (
        together(files(), link("images/train/t1.png", "../../gone.png")),
        MASKS,
        r"t1\.png: the file cannot be read \(No such file",
    ),
    "an image that is a link to itself": (
        together(files(), link("images/train/t1.png", "t1.png")),
        MASKS,
        r"t1\.png: the file cannot be read \(Too many levels",
    ),
    "a Parquet file that is a link to nowhere": (
        together(parquet(image=[IMAGE, IMAGE], label=[0, 1]), link("data/train-1.parquet", "gone")),
        PARQUET,
        r"train-1\.parquet cannot be read",
    ),
    "one image to be divided": (listed("a"), FLAT | {"split": 0.2}, "one image; expected two groups"),
    "one group to be divided": (
        listed("abc"),
        FLAT | {"split": 0.2, "split_groups": "{parent}"},
        "all 3 images are in the one group 'images'.*split_groups",
    ),
    "a list that names what is gone": (
        listed("ab", train="a\ngone\n", val="b"),
        LISTED,
        r"train\.txt, line 2: 'gone' is not",
    ),
    "a tar that leads elsewhere": (
        tar(("../../evil.png", IMAGE), ("../../evil.cls", b"1")),
        TAR,
        "a name that leads elsewhere",
    ),
    "a tar with an absolute name": (
        tar(("/etc/evil.png", IMAGE), ("/etc/evil.cls", b"1")),
        TAR,
        "a name that leads elsewhere",
    ),
    "a tar with a file twice": (
        tar(("a.png", IMAGE), ("a.cls", b"1"), ("a.cls", b"0")),
        TAR,
        r"a\.cls: a file that occurs twice",
    ),
    "a tar with a text beside": (
        tar(("README.md", b"x"), ("a.png", IMAGE), ("a.cls", b"1")),
        TAR,
        "README: no image",
    ),
    "an image kept elsewhere": (
        parquet(image=pa.array([{"bytes": None, "path": "/etc/passwd"}], HUGGING_FACE), label=[0]),
        PARQUET,
        "row 0: no image",
    ),
    "one class": (
        lambda folder: [save(folder / f"{split}/cat/a.png", photo()) for split in SPLITS],
        {"name": "imagenet_folders"},
        "'cat' is the only class",
    ),
    "JSON in UTF-16": (
        together(coco({}), lambda folder: write(folder / "annotations/train.json", "{}".encode("utf-16"))),
        COCO,
        "not JSON in UTF-8.*Windows",
    ),
}


@pytest.mark.parametrize("case", sorted(REFUSED))
def test_it_is_refused_in_words(case, tmp_path):
    draw, settings, said = REFUSED[case]
    draw(tmp_path / "data/toy")
    with pytest.raises(DatasetError, match=f"(?s){said}"):
        prepare_dataset(parse(settings, path="toy"), tmp_path / "data", tmp_path / "out", dataset="toy")
    assert not list((tmp_path / "out").rglob("*.parquet"))


READ = {
    "16 bits in colour and alpha": (
        files(of_16_bits(np.dstack([photo(), half() * 255]) * np.uint16(257))),
        MASKS,
        lambda sample: np.array_equal(sample.image, photo()),
    ),
    "a palette whose indices are the greys": (
        files(mask=png((8, 3), half(), bytes(value for grey in range(6) for value in (grey, grey, grey)))),
        SIX,
        lambda sample: np.array_equal(sample.mask, half()),
    ),
    "a palette of greys that are no classes": (
        files(
            mask=png((8, 3), INDICES, bytes(value for grey in (0, 85, 170) for value in (grey, grey, grey)))
        ),
        SIX,
        lambda sample: np.array_equal(sample.mask, 2 * half()),
    ),
    "black and white": (
        files(mask=png((8, 3), half(), bytes([0, 0, 0, 255, 255, 255]))),
        MASKS,
        lambda sample: np.array_equal(sample.mask, half()),
    ),
    "a small box beside large ones": (
        coco({"bbox": [0.1, 0.2, 0.7, 0.7]}, {}),
        COCO,
        lambda sample: len(sample.boxes) == 2,
    ),
    "ids too large for 64 bits, as text and as number": (
        coco({"image_id": str(10**25)}, images=[{"id": 10**25, "file_name": "t0.png"}]),
        COCO,
        lambda sample: len(sample.boxes) == 1,
    ),
    "a marked file with the ends of lines of Windows": (
        yolo(b"\xef\xbb\xbf0 0.5 0.5 0.25 0.5\r\n\r\n1 0.5 0.5 0.5 0.5\r\n"),
        YOLO,
        lambda sample: sample.box_labels.tolist() == [0, 1] and sample.boxes[0].tolist() == [12, 6, 20, 18],
    ),
    "a pose outside, left out": (
        yolo("0 0.5 0.5 0.2 0.5 7 7 2 0.5 0.5 1"),
        POSES | {"outside": "clip"},
        lambda sample: sample.keypoints.tolist() == [[[0, 0, 0], [16, 12, 1]]],
    ),
    "a depth map one pixel high": (
        depth(np.linspace(1, 9, W, dtype=np.float32)[None]),
        DEPTH,
        lambda sample: sample.depth.shape == (1, W) and np.isclose(sample.depth[0, -1], 9),
    ),
    "a label with a mark": (
        tar(("a.png", IMAGE), ("a.cls", b"\xef\xbb\xbf1\r\n")),
        TAR,
        lambda sample: sample.label == 1,
    ),
    "a mask of another size in Parquet": (
        parquet(image=[IMAGE], annotation=[encoded(np.kron(half(), np.ones((2, 2), np.uint8)))]),
        {"name": "parquet_files", "segmentation": {"classes": ["a", "b"], "fit": "resize"}},
        lambda sample: np.array_equal(sample.mask, half()),
    ),
    "an image in place of a link": (
        together(
            files(),
            lambda folder: write(folder / "away.png", IMAGE),
            link("images/train/t1.png", "../../away.png"),
            link("masks/train/t1.png", "t0.png"),
        ),
        MASKS,
        lambda sample: np.array_equal(sample.image, photo()),
    ),
}


@pytest.mark.parametrize("case", sorted(READ))
def test_it_is_read_as_it_is_meant(case, tmp_path):
    draw, settings, is_right = READ[case]
    draw(tmp_path / "data/toy")
    made = prepare_dataset(parse(settings, path="toy"), tmp_path / "data", tmp_path / "out", dataset="toy")
    kinds = ("keypoints", "detection", "segmentation", "depth", "classification")
    task_type = next(kind for kind in kinds if getattr(made, kind))
    options = {name: value for name, value in settings.items() if name != "name"}
    for opened in (
        open_dataset("prepared", tmp_path / "out", "train", task_type),
        open_dataset(settings["name"], tmp_path / "data/toy", "train", task_type, **options),
    ):
        assert is_right(opened[0])


def test_what_lies_beside_is_told_and_changes_nothing(tmp_path):
    """What nobody asked for may have been meant: it is counted when a dataset is read, and kept out of its files."""
    draws = [files(), listed("abc", train="a\n", val="b\n"), coco({})]
    for number, draw in enumerate(draws):
        draw(tmp_path / f"data/{number}")
    save(tmp_path / "data/0/images/train/deeper/t9.png", photo())
    write(tmp_path / "data/0/images/val/t9.heic", b"x")
    save(tmp_path / "data/0/masks/train/t9.png", half())
    save(tmp_path / "data/2/images/train/t9.png", photo())
    told = []
    for number, settings in enumerate((MASKS, LISTED, COCO)):
        mentioned: dict[str, int] = {}
        settings = parse(settings, path=str(number))
        made = prepare_dataset(
            settings, tmp_path / "data", tmp_path / "out", dataset="toy", mentioned=mentioned
        )
        assert made.passed_over == {}
        told.append(mentioned)
    assert told == [
        {
            "images in images/train/deeper/, where `images` does not lead": 1,
            "images/val/*.heic": 1,
            "masks/train/*.png that belong to no image": 1,
        },
        {"images that no list names": 1},
        {"images that 2/annotations/train.json does not list": 1},
    ]
    options = {name: value for name, value in MASKS.items() if name != "name"}
    with pytest.warns(
        UserWarning, match=r"passed over 1 images in images/train/deeper/.*1 images/val/\*\.heic|passed over"
    ):
        open_dataset("image_mask_folders", tmp_path / "data/0", "val", "segmentation", **options)
