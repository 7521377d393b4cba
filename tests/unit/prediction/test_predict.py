"""A kept model on a folder of pictures: what is written can be read back and is what evaluation sees."""

import io
import json

import every_task_examples as examples
import numpy as np
import pytest
import torch
from faster_coco_eval import COCO
from PIL import Image

from transfer_atlas.datasets.normals import decoded
from transfer_atlas.errors import CheckpointError, ConfigurationError
from transfer_atlas.models.checkpoints import save_checkpoint, save_no_model
from transfer_atlas.models.expected_input import WHITENED
from transfer_atlas.prediction import export as exporting
from transfer_atlas.prediction import predict as predicting
from transfer_atlas.prediction.trained import load_trained
from transfer_atlas.tasks.registry import TASK_TYPES
from transfer_atlas.training.device import make_accelerator
from transfer_atlas.training.evaluate import evaluate
from transfer_atlas.training.requested import describe_dataset

SIZES = ((64, 64), (48, 80))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return examples.dataset(tmp_path_factory.mktemp("prepared") / "all", sizes=SIZES)


@pytest.fixture(scope="module")
def pictures(data, tmp_path_factory):
    """The validation images as files, one of them in a subfolder."""
    root = tmp_path_factory.mktemp("pictures")
    for number, sample in enumerate(data.read("val", range(4), "segmentation")):
        path = root / ("more" if number == 3 else "") / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(sample.image.permute(1, 2, 0).contiguous().numpy()).save(path)
    return root


def described(data, name, **changes):
    return {
        "backbone": {"name": "hrnet_tiny"},
        "expects": WHITENED.described(),
        "task_type": name,
        "datasets": {"toy": describe_dataset(data.description, (64, 64), None)},
        **changes,
    }


def keep(folder, data, name, **changes):
    save_checkpoint(
        folder / "model.safetensors",
        examples.model(data, name).state_dict(),
        described(data, name, **changes),
    )
    return folder


def run(data, pictures, folder, name, *options):
    said = io.StringIO()
    keep(folder / name, data, name)
    arguments = [str(folder / name), str(pictures), "--output", str(folder / "out"), *options]
    status = predicting.main(arguments, said)
    assert status == 0, said.getvalue()
    return folder / "out"


def test_masks_are_those_that_are_scored(data, pictures, tmp_path):
    out = run(data, pictures, tmp_path, "segmentation")
    samples = data.read("val", range(4), "segmentation")
    right = total = 0
    for sample, name in zip(samples, ("0.png", "1.png", "2.png", "more/3.png"), strict=True):
        mask = np.array(Image.open(out / "masks" / f"{name}.png"))
        assert mask.shape == tuple(sample.image.shape[1:]) and mask.max() <= 2
        right += (mask == sample.mask.numpy()).sum()
        total += mask.size
        assert (out / "overlays" / f"{name}.png").exists()
    found = evaluate(
        examples.model(data, "segmentation"),
        TASK_TYPES["segmentation"],
        data,
        examples.TRAINING,
        accelerator=make_accelerator("float32"),
    )
    assert right / total == pytest.approx(found["pixel_accuracy"], abs=1e-6)
    assert json.loads((out / "about.json").read_text())["classes"] == {"0": "ground", "1": "red", "2": "blue"}


@pytest.mark.parametrize("name", ["detection", "keypoints"])
def test_objects_are_cocos_results(name, data, pictures, tmp_path):
    out = run(data, pictures, tmp_path, name, "--no-overlays")
    whole = json.loads((out / "predictions.json").read_text())
    assert [image["file_name"] for image in whole["images"]] == ["0.png", "1.png", "2.png", "more/3.png"]
    categories = ["red", "blue"] if name == "detection" else ["object"]
    assert [category["name"] for category in whole["categories"]] == categories
    results = json.loads((out / "results.json").read_text())
    assert results and results == whole["annotations"]
    truth = COCO(
        {"info": {}, "images": whole["images"], "annotations": [], "categories": whole["categories"]}
    )
    assert len(truth.loadRes(results).anns) == len(results)
    if name == "keypoints":
        assert all(len(result["keypoints"]) == 12 for result in results)
    assert not (out / "overlays").exists()


def test_depth_is_kept_in_the_datasets_steps(data, pictures, tmp_path):
    out = run(data, pictures, tmp_path, "depth")
    steps = np.array(Image.open(out / "depth" / "0.png.png"))
    about = json.loads((out / "about.json").read_text())
    assert about["unit"] == "metre" and steps.dtype == np.uint16
    assert (steps * about["step"]).min() >= 0.5 and (steps * about["step"]).max() <= 8.0


def test_normals_are_colours(data, pictures, tmp_path):
    out = run(data, pictures, tmp_path, "normals")
    found = decoded(np.array(Image.open(out / "normals" / "0.png.png")))
    assert np.allclose(np.linalg.norm(found, axis=-1), 1, atol=1e-5)
    assert "z forward" in json.loads((out / "about.json").read_text())["axes"]


def test_labels_are_a_table(data, pictures, tmp_path):
    out = run(data, pictures, tmp_path, "classification")
    rows = (out / "labels.csv").read_text().splitlines()
    assert rows[0] == "image,label,probability" and len(rows) == 5


def test_a_picture_that_cannot_be_read_is_named_and_the_others_are_done(data, pictures, tmp_path):
    keep(tmp_path / "model", data, "segmentation")
    (tmp_path / "in").mkdir()
    Image.open(pictures / "0.png").save(tmp_path / "in" / "good.png")
    (tmp_path / "in" / "bad.jpg").write_bytes(b"no picture")
    said = io.StringIO()
    arguments = [str(tmp_path / "model"), str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    assert predicting.main(arguments, said) == 1
    assert "bad.jpg was left out" in said.getvalue() and (tmp_path / "out/masks/good.png.png").exists()
    assert list(json.loads((tmp_path / "out/about.json").read_text())["left_out"]) == ["bad.jpg"]


@pytest.mark.parametrize("wrong", ["empty", "missing"])
def test_a_folder_without_pictures_is_refused(wrong, data, tmp_path):
    keep(tmp_path / "model", data, "segmentation")
    (tmp_path / "empty").mkdir()
    said = io.StringIO()
    arguments = [str(tmp_path / "model"), str(tmp_path / wrong), "--output", str(tmp_path / "out")]
    assert predicting.main(arguments, said) == 1 and str(tmp_path / wrong) in said.getvalue()


# Models


def test_models_that_cannot_be_used_are_refused_with_the_reason(data, tmp_path):
    with pytest.raises(CheckpointError, match="is missing"):
        load_trained(tmp_path / "none")
    save_no_model(tmp_path / "failed", "diverged", "the loss was nan")
    with pytest.raises(CheckpointError, match=r"run diverged \(the loss was nan\)"):
        load_trained(tmp_path / "failed")
    save_checkpoint(tmp_path / "foreign.safetensors", {"a": torch.ones(1)}, {})
    with pytest.raises(CheckpointError, match="does not say its backbone, task_type, expects, datasets"):
        load_trained(tmp_path / "foreign.safetensors")
    later = {"toy": describe_dataset(data.description, (64, 64), None)}
    later["toy"]["description"]["invented"] = 3
    with pytest.raises(CheckpointError, match="a form that this version does not read"):
        load_trained(keep(tmp_path / "later", data, "segmentation", datasets=later))


def test_a_model_of_several_datasets_asks_whose_head(data, tmp_path):
    model = examples.model(data, "segmentation")
    tensors = {n: t for n, t in model.state_dict().items() if n.startswith("backbone.")}
    for name in ("one", "two"):
        head = {n: t for n, t in model.state_dict().items() if n.startswith("head.")}
        tensors |= {
            n.replace("head.", f"heads.{name}."): t.clone() + (name == "two") for n, t in head.items()
        }
    datasets = {n: describe_dataset(data.description, (64, 64), None) for n in ("one", "two")}
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, tensors, described(data, "segmentation", datasets=datasets))
    with pytest.raises(CheckpointError, match=r"trained on one, two; say whose head"):
        load_trained(path)
    with pytest.raises(CheckpointError, match="was not trained on three"):
        load_trained(path, "three")
    weight = load_trained(path, "two").model.state_dict()["head.classifier.weight"]
    assert torch.equal(weight, model.state_dict()["head.classifier.weight"] + 1)


# Export


@pytest.mark.parametrize(
    "name", ["segmentation", "detection", "keypoints", "depth", "normals", "classification"]
)
def test_torchscript_answers_alike(name, data, tmp_path):
    keep(tmp_path / "model", data, name)
    said = io.StringIO()
    assert exporting.main([str(tmp_path / "model"), str(tmp_path / "network.pt")], said) == 0, said.getvalue()
    network = torch.jit.load(str(tmp_path / "network.pt"))
    pixels = torch.randint(0, 256, (1, 3, 64, 64)).float()
    with torch.inference_mode():
        wanted = load_trained(tmp_path / "model").model(pixels)
    wanted = [wanted] if torch.is_tensor(wanted) else [wanted[key] for key in sorted(wanted)]
    for one, other in zip(wanted, network(pixels), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


@pytest.mark.slow
def test_onnx_answers_alike(data, tmp_path):
    pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
    pytest.importorskip("onnxscript", reason="the extra `onnx` is not installed")
    model = examples.model(data, "segmentation")
    assert exporting.export(model, tmp_path / "network.onnx", (64, 96)) <= exporting.TOLERANCE


def test_what_cannot_be_exported_is_refused(data, tmp_path, monkeypatch):
    model = examples.model(data, "segmentation")
    with pytest.raises(ConfigurationError, match="multiples of 32"):
        exporting.export(model, tmp_path / "network.pt", (60, 64))
    with pytest.raises(ConfigurationError, match=r"expected \.pt"):
        exporting.export(model, tmp_path / "network.tflite", (64, 64))

    def wrong(exported, pixels, file):
        file.touch()
        return [values + 1 for values in exported(pixels)]

    monkeypatch.setattr(exporting, "_torchscript", wrong)
    with pytest.raises(ConfigurationError, match="was removed"):
        exporting.export(model, tmp_path / "network.pt", (64, 64))
    assert not (tmp_path / "network.pt").exists()
