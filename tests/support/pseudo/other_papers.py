"""Draws pseudo datasets of the papers on domains and tasks: rendered streets, stereo depth, single classes."""

import bz2
import gzip
import struct
from pathlib import Path

import numpy as np
from PIL import Image

from pseudo.files import matlab, palette, photo, stripes, values, write


def gta5(folder: Path) -> None:
    """Palette masks of labelIds, a license plate (34), a label of another size, images of three lists."""
    for number in (1, 2, 3, 4, 24966):
        photo(folder / f"images/{number:05d}.png", seed=number)
        width = 31 if number == 3 else 32
        palette(
            folder / f"labels/{number:05d}.png", stripes(0, 7, 33, 34, width=width), first=(0, 0, 0, 9, 9, 9)
        )
    lists = {"trainIds": [[1], [2], [3]], "valIds": [[4]], "testIds": [[24966]]}
    matlab(folder / "read_mapping/split.mat", {name: np.array(ids, np.uint16) for name, ids in lists.items()})


def _depth(*metres: float) -> np.ndarray:
    """Depth of each band as the simulators code it in colours."""
    codes = np.array([round(one / 1000 * (2**24 - 1)) for one in metres])
    bands = stripes(*range(len(metres)))
    code = codes[bands]
    return np.stack([code % 256, code // 256 % 256, code // 65536], axis=2).astype(np.uint8)


def synthia_sf(folder: Path) -> None:
    """Classes in the red channel, whatever the others hold; GTright with a small r; colours for looking at."""
    for sequence in ("SEQ1", "SEQ2", "SEQ5", "SEQ6"):
        place = folder / f"SYNTHIA-SF/{sequence}"
        for camera, classes in (("Left", "GTLeft"), ("Right", "GTright")):
            photo(place / f"RGB{camera}/0000000.png", seed=len(camera))
            red = stripes(0, 1, 22, 11)
            values(place / f"{classes}/0000000.png", np.stack([red, red * 0 + 7, red * 0 + 200], axis=2))
            values(place / f"Depth{camera}/0000000.png", _depth(2.5, 100, 998, 1000))
        values(place / "GTLeftDebug/0000000.png", np.zeros((24, 32, 3), np.uint8))


def carla(folder: Path) -> None:
    """Episodes; pixels without class far away (the sky) and near; tags in the red channel of an RGBA image."""
    for episode in range(4):
        place = folder / f"episode_{episode:03d}"
        for frame in range(2):
            photo(place / f"CameraRGB/{frame:06d}.png", seed=frame)
            red = stripes(0, 0, 7, 10)
            rgba = np.stack([red, red * 0, red * 0, red * 0 + 255], axis=2)
            values(place / f"CameraSemSeg/{frame:06d}.png", rgba)
            values(place / f"CameraDepth/{frame:06d}.png", _depth(1000, 20, 5, 30))


def _stereo(folder: Path, images: str, disparity: str, calibration: str, names: tuple[str, str]) -> None:
    for number in range(5):
        for time in (10, 11):
            photo(folder / f"training/{images}/{number:06d}_{time}.png", seed=number)
        # unknown, 38.6 pixels, a hundredth of a pixel
        sparse = stripes(0, round(38.6 * 256), 3, dtype=np.uint16)
        values(folder / f"training/{disparity}/{number:06d}_10.png", sparse)
        focal, baseline = 700.0, 0.5
        left = [focal, 0, 600, 40, 0, focal, 180, 2, 0, 0, 1, 0.01]
        right = [focal, 0, 600, 40 - focal * baseline, 0, focal, 180, 2, 0, 0, 1, 0.01]
        lines = ["calib_time: 09-Jan-2012 13:57:47"]
        lines += [f"{n}: {' '.join(map(str, m))}" for n, m in zip(names, (left, right), strict=True)]
        write(folder / f"training/{calibration}/{number:06d}.txt", "\n".join(lines))
    photo(folder / f"testing/{images}/000000_10.png")


def kitti_2012(folder: Path) -> None:
    """Frames at time 10 and 11, sparse disparities, matrices P2 and P3."""
    _stereo(folder, "colored_0", "disp_occ", "calib", ("P2", "P3"))


def kitti_2015(folder: Path) -> None:
    """The same with other names."""
    _stereo(folder, "image_2", "disp_occ_0", "calib_cam_to_cam", ("P_rect_02", "P_rect_03"))


def domainnet(folder: Path) -> None:
    """Lists with indices; an image on no list; a domain less."""
    for domain in ("clipart", "infograph", "painting", "quickdraw", "real", "sketch"):
        lines = {"train": [], "test": []}
        for at, name in enumerate(("aircraft_carrier", "airplane", "zigzag")):
            for number, split in ((1, "train"), (2, "train"), (3, "test")):
                path = f"{domain}/{name}/{domain}_{at + 1:03d}_{number:06d}.jpg"
                photo(folder / path, seed=number)
                lines[split].append(f"{path} {at}")
        photo(folder / f"{domain}/zigzag/unlisted.jpg")
        for split, of_split in lines.items():
            write(folder / f"{domain}_{split}.txt", "\n".join(of_split) + "\n")


def office_31(folder: Path) -> None:
    """Three domains of the same classes."""
    for domain in ("amazon", "dslr", "webcam"):
        for name in ("back_pack", "bike"):
            for number in range(1, 6):
                path = f"domain_adaptation_images/{domain}/images/{name}/frame_{number:04d}.jpg"
                photo(folder / path, seed=number)


def caltech101(folder: Path) -> None:
    """Two classes and the folder of background; a grey image."""
    place = folder / "101_ObjectCategories"
    for name in ("accordion", "Faces", "BACKGROUND_Google"):
        for number in range(1, 6):
            photo(place / f"{name}/image_{number:04d}.jpg", seed=number)
    values(place / "accordion/image_0001.jpg", stripes(1, 200))
    write(place / "BACKGROUND_Google/tmp", "not an image")


def omniglot(folder: Path) -> None:
    """Two alphabets, drawings of 1 bit by five people; the evaluation part has other characters."""
    for part, alphabet in (("background", "Greek"), ("background", "Latin"), ("evaluation", "Tibetan")):
        for character in (1, 2):
            for person in range(1, 6):
                name = f"images_{part}/{alphabet}/character{character:02d}/{character:04d}_{person:02d}.png"
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(stripes(0, 255, height=20, width=20)).convert("1").save(path)


def _cifar(folder: Path, files: tuple[str, ...], labels: int, names: str, classes: list[str]) -> None:
    for number, name in enumerate(files):
        rows = []
        for at in range(3):
            planes = np.full((3, 32, 32), 10 * number + at, np.uint8)
            planes[0, 0, 1], planes[1, 2, 0], planes[2] = 201, 202, 203
            rows.append(bytes([0] * (labels - 1) + [at]) + planes.tobytes())
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"".join(rows))
    write(folder / names, "\n".join(classes) + "\n\n")


def cifar10(folder: Path) -> None:
    """Six files; planes of red, green and blue."""
    files = tuple(f"data_batch_{n}.bin" for n in range(1, 6))
    place = folder / "cifar-10-batches-bin"
    _cifar(place, (*files, "test_batch.bin"), 1, "batches.meta.txt", ["airplane", "automobile", "bird"])


def cifar100(folder: Path) -> None:
    """Two labels a row, of which the second counts."""
    place = folder / "cifar-100-binary"
    _cifar(place, ("train.bin", "test.bin"), 2, "fine_label_names.txt", ["apple", "aquarium_fish", "baby"])
    write(place / "coarse_label_names.txt", "aquatic_mammals\nfish\n")


def idx(path: Path, array: np.ndarray, compressed: bool) -> None:
    """An idx file of bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    content = bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if compressed else content)


def mnist(folder: Path) -> None:
    """Compressed for training, plain for the test, which has `.` before idx as some copies do."""
    pixels = np.arange(3 * 28 * 28).reshape(3, 28, 28) % 256
    idx(folder / "train-images-idx3-ubyte.gz", pixels, True)
    idx(folder / "train-labels-idx1-ubyte.gz", np.array([5, 0, 9]), True)
    idx(folder / "t10k-images.idx3-ubyte", pixels[:2], False)
    idx(folder / "t10k-labels.idx1-ubyte", np.array([7, 2]), False)


def usps(folder: Path) -> None:
    """LIBSVM's lines: digits from 1, pixels from -1 to 1, those of -1 left out."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "usps.bz2").write_bytes(bz2.compress(b"7 1:1.0 18:0.0 256:-0.5\n1 2:1\n"))
    (folder / "usps.t.bz2").write_bytes(bz2.compress(b"10 1:-1 2:1\n"))


DRAW = {
    "caltech101": caltech101,
    "carla": carla,
    "cifar10": cifar10,
    "cifar100": cifar100,
    "domainnet": domainnet,
    "gta5": gta5,
    "kitti_2012": kitti_2012,
    "kitti_2015": kitti_2015,
    "mnist": mnist,
    "office_31": office_31,
    "omniglot": omniglot,
    "synthia_sf": synthia_sf,
    "usps": usps,
}
