"""Runs a trained model on a folder of pictures, and writes what it says: `transfer-atlas predict`.

Written into the output folder, with the names of the pictures: masks/ (class numbers), depth/ (16 bits),
normals/ (-1..1 as 0..255) or labels.csv; for objects `results.json`, a list that COCO's tools load, and
`predictions.json` with images and categories beside it; overlays/ for the eye; and `about.json`, which says what is
what.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch
from PIL import Image

from transfer_atlas.datasets.decoding import decode_image
from transfer_atlas.datasets.normals import coloured
from transfer_atlas.datasets.reading import Sample
from transfer_atlas.errors import AtlasError, DatasetError
from transfer_atlas.prediction.trained import Trained, load_trained
from transfer_atlas.process.progress import Progress
from transfer_atlas.tasks.answers import Answer, answers_of
from transfer_atlas.tasks.drawing import draw
from transfer_atlas.training.ahead import in_order
from transfer_atlas.training.device import make_accelerator, memory_format
from transfer_atlas.training.geometry import complete_images

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


def main(arguments: Sequence[str] | None = None, progress_to: TextIO = sys.stderr) -> int:
    """`transfer-atlas predict MODEL PICTURES --output FOLDER`. Returns 1 where a picture could not be read."""
    parser = argparse.ArgumentParser("transfer-atlas predict", description=__doc__)
    parser.add_argument(
        "model", type=Path, help="folder of a run (store/target_models/NAME/KEY), or its checkpoint"
    )
    parser.add_argument("pictures", type=Path, help="folder of pictures, looked through with its subfolders")
    parser.add_argument("--output", type=Path, required=True, help="folder to write into")
    parser.add_argument("--dataset", help="whose head to use, of a model trained on several datasets")
    parser.add_argument(
        "--least-score", type=float, default=0.3, help="of objects drawn (default: %(default)s)"
    )
    parser.add_argument("--batch", type=int, default=8, help="pictures at a time (default: %(default)s)")
    parser.add_argument("--no-overlays", action="store_true", help="write no drawings")
    chosen = parser.parse_args(arguments)
    try:
        failed = predict(
            load_trained(chosen.model, chosen.dataset),
            chosen.pictures,
            chosen.output,
            batch=max(1, chosen.batch),
            least_score=chosen.least_score,
            overlays=not chosen.no_overlays,
            progress_to=progress_to,
        )
    except AtlasError as error:
        print(f"transfer-atlas predict: {error}", file=progress_to)
        return 1
    for name, reason in failed:
        print(f"  {name} was left out: {reason}", file=progress_to)
    return 1 if failed else 0


def predict(
    trained: Trained,
    pictures: Path,
    output: Path,
    *,
    batch: int = 8,
    least_score: float = 0.3,
    overlays: bool = True,
    progress_to: TextIO = sys.stderr,
) -> list[tuple[str, str]]:
    """Write the answers for all pictures of a folder. Returns those that could not be read, with the reason."""
    paths = pictures_in(pictures)
    writer = _Writer(trained, output, least_score, overlays)
    progress = Progress("predict", len(paths), progress_to, every=5.0)
    answers = each_answer(trained, pictures, paths, batch, writer.failed)
    for done, (path, picture, answer) in enumerate(answers, start=1):
        writer.write(path.relative_to(pictures), picture, answer)
        progress.show(done, "pictures")
    writer.finish()
    return writer.failed


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder and its subfolders, sorted. Raises DatasetError where there is none."""
    if not folder.is_dir():
        raise DatasetError(f"{folder} is no folder; name the folder that holds the pictures.")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())
    if not found:
        raise DatasetError(f"{folder} holds no picture; expected files ending in {', '.join(ENDINGS)}.")
    return found


@torch.inference_mode()
def each_answer(
    trained: Trained, folder: Path, paths: Sequence[Path], batch: int, failed: list[tuple[str, str]]
) -> Iterator[tuple[Path, np.ndarray, Answer]]:
    """Path, picture (H, W, 3) uint8 and answer of each picture that can be read; the others go to `failed`."""
    accelerator = make_accelerator("float32")
    model = trained.model.to(accelerator.device, memory_format=memory_format(accelerator.device))

    def read(path: Path, _: Any) -> torch.Tensor | str:
        try:
            return decode_image(path.read_bytes())
        except (OSError, RuntimeError, ValueError) as error:  # whatever a decoder says of a damaged file
            return (str(error).strip().splitlines() or [type(error).__name__])[0]

    read_ahead = in_order(read, paths, workers=1, ahead=2 * batch, makers=max(1, torch.get_num_threads()))
    waiting: list[tuple[Path, torch.Tensor]] = []
    for number, (path, image) in enumerate(zip(paths, read_ahead, strict=True), start=1):
        if isinstance(image, str):
            failed.append((path.relative_to(folder).as_posix(), image))
        else:
            waiting.append((path, image))
        if waiting and (len(waiting) == batch or number == len(paths)):
            yield from _answered(model, trained, waiting, accelerator.device)
            waiting = []


def _answered(
    model: torch.nn.Module,
    trained: Trained,
    waiting: list[tuple[Path, torch.Tensor]],
    device: torch.device,
) -> Iterator[tuple[Path, np.ndarray, Answer]]:
    samples = [Sample(str(path), image) for path, image in waiting]
    answers: dict[int, Answer] = {}
    for places, inputs, extents in complete_images(samples, trained.resolution, trained.description.mean):
        outputs = model(inputs.to(device, memory_format=memory_format(device)))
        sizes = [tuple(samples[place].image.shape[1:]) for place in places]
        found = answers_of(trained.task_type, outputs, sizes, extents, trained.description, trained.scoring)
        answers |= dict(zip(places, found, strict=True))
    for place, (path, image) in enumerate(waiting):
        yield path, image.permute(1, 2, 0).contiguous().numpy(), answers[place]


class _Writer:
    """Writes answers, each as its task type has it."""

    def __init__(self, trained: Trained, output: Path, least_score: float, overlays: bool) -> None:
        self.trained, self.output, self.least_score, self.overlays = trained, output, least_score, overlays
        self.failed: list[tuple[str, str]] = []
        self.images: list[dict[str, Any]] = []
        self.results: list[dict[str, Any]] = []
        self.labels: list[tuple[str, str, float]] = []

    def write(self, name: Path, picture: np.ndarray, answer: Answer) -> None:
        """The files of one picture; name: relative to the folder of all."""
        description, number = self.trained.description, len(self.images) + 1
        height, width = answer.size
        self.images.append({"id": number, "file_name": name.as_posix(), "height": height, "width": width})
        if answer.mask is not None:
            wide = len(description.segmentation.classes) > 255
            self._save("masks", name, Image.fromarray(answer.mask.astype(np.uint16 if wide else np.uint8)))
        elif answer.depth is not None:
            steps = np.round(answer.depth / description.depth.step).clip(0, 65535).astype(np.uint16)
            self._save("depth", name, Image.fromarray(steps))
        elif answer.normals is not None:
            self._save("normals", name, Image.fromarray(coloured(answer.normals)))
        elif answer.probabilities is not None:
            best = int(answer.probabilities.argmax())
            label = description.classification.classes[best]
            self.labels.append((name.as_posix(), label, float(answer.probabilities[best])))
        else:
            self._objects(number, answer)
        if self.overlays:
            drawn = draw(picture, answer.certain(self.least_score), description)
            self._save("overlays", name, drawn)

    def _objects(self, image: int, answer: Answer) -> None:
        for index, (left, top, right, bottom) in enumerate(answer.boxes.tolist()):
            result = {
                "image_id": image,
                "category_id": int(answer.labels[index]) + 1,
                "bbox": [left, top, right - left, bottom - top],
                "score": float(answer.scores[index]),
            }
            if answer.keypoints is not None:
                result["keypoints"] = answer.keypoints[index].ravel().tolist()
            self.results.append(result)

    def _save(self, kind: str, name: Path, image: Image.Image) -> None:
        # the ending stays in the name: a.jpg and a.png of one folder are two pictures
        path = self.output / kind / name.with_name(f"{name.name}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)

    def finish(self) -> None:
        """The files of all pictures together."""
        self.output.mkdir(parents=True, exist_ok=True)
        description, task_type = self.trained.description, self.trained.task_type
        about: dict[str, Any] = {
            "task_type": task_type,
            "dataset": description.name,
            "images": len(self.images),
        }
        if task_type == "segmentation":
            about["classes"] = dict(enumerate(description.segmentation.classes))
        elif task_type == "depth":
            about |= {"unit": description.depth.unit, "step": description.depth.step}
        elif task_type == "normals":
            about |= {
                "axes": "x right, y down, z forward",
                "coding": "-1..1 as 0..255 in red, green and blue",
            }
        elif task_type == "classification":
            with (self.output / "labels.csv").open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([("image", "label", "probability"), *self.labels])
        else:
            categories = self._categories()
            whole = {"images": self.images, "categories": categories, "annotations": self.results}
            self._json("predictions.json", whole)
            self._json("results.json", self.results)
        self._json("about.json", about | {"left_out": dict(self.failed)})

    def _categories(self) -> list[dict[str, Any]]:
        description = self.trained.description
        if self.trained.task_type == "detection":
            return [{"id": n + 1, "name": name} for n, name in enumerate(description.detection.classes)]
        skeleton = [[one + 1, other + 1] for one, other in description.keypoints.skeleton]
        return [{"id": 1, "name": "object", "keypoints": description.keypoints.names, "skeleton": skeleton}]

    def _json(self, name: str, content: Any) -> None:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False)
        (self.output / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
