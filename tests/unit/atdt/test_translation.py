"""CycleGAN: losses and pool by hand, a known translation learned, and its runs: cycle, dataset, interruption."""

import io
import shutil

import numpy as np
import pytest
import torch
from atdt_examples import carried_out, planned, study
from torch.nn import functional as F

from transfer_atlas.atdt import cyclegan
from transfer_atlas.atdt.crops import random_crop
from transfer_atlas.atdt.settings import TranslationSettings
from transfer_atlas.atdt.translated import translate
from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.models.architectures.image_translation import PatchDiscriminator, ResnetGenerator
from transfer_atlas.models.checkpoints import load_checkpoint
from transfer_atlas.planning.request import request
from transfer_atlas.planning.run import ancestry
from transfer_atlas.running.execute import execute
from transfer_atlas.store.store import read_run
from transfer_atlas.training import loop

SMALL = {
    "width": 4,
    "blocks": 1,
    "discriminator_width": 4,
    "discriminator_layers": 1,
    "crop": [16, 16],
    "batch_size": 2,
    "steps": 24,
    "pool": 3,
}


def test_networks_are_those_of_the_paper():
    """Parameters as counted from section 7.1 by hand: 11.378 million and 2.765 million, those of the authors' code."""
    generator, discriminator = ResnetGenerator(64, 9, seed=0), PatchDiscriminator(64, 3, seed=0)
    count = [sum(weight.numel() for weight in network.parameters()) for network in (generator, discriminator)]
    assert count == [11_378_179, 2_764_737]
    images = torch.zeros(1, 3, 256, 256)
    assert discriminator(images).shape == (1, 1, 30, 30)
    assert ResnetGenerator(4, 1, seed=0)(torch.zeros(2, 3, 20, 28)).shape == (2, 3, 20, 28)


def test_a_patch_is_of_70_pixels():
    images = torch.zeros(1, 3, 142, 142, requires_grad=True)
    network = PatchDiscriminator(2, 3, seed=0)
    for module in list(network.layers):  # statistics over the whole map would reach everywhere
        if isinstance(module, torch.nn.InstanceNorm2d):
            module.forward = lambda values: values
    judged = network(images)
    judged[0, 0, judged.shape[2] // 2, judged.shape[3] // 2].backward()
    seen = images.grad.abs().sum(dim=(0, 1)) > 0
    assert seen.any(dim=0).sum() == seen.any(dim=1).sum() == 70


def test_losses_by_hand():
    settings = TranslationSettings(**SMALL, cycle_weight=10, identity_weight=0.5)

    class Constant(torch.nn.Module):
        def __init__(self, value):
            super().__init__()
            self.value = value

        def forward(self, images):
            return torch.full_like(images, self.value)

    generators, discriminators = torch.nn.Module(), torch.nn.Module()
    generators.to_a, generators.to_b = Constant(0.5), Constant(-0.5)
    discriminators.of_a, discriminators.of_b = Constant(0.2), Constant(0.9)
    a, b = torch.ones(2, 3, 8, 8), -torch.ones(2, 3, 8, 8)
    loss, fake_a, fake_b = cyclegan.generator_loss(generators, discriminators, a, b, settings)
    adversarial = 0.8**2 + 0.1**2
    # cycle |0.5 - 1| + |-0.5 + 1|; identity the same here
    assert loss.item() == pytest.approx(adversarial + 10 * 1.0 + 10 * 0.5 * 1.0)
    assert (fake_a == 0.5).all() and (fake_b == -0.5).all()
    judged = cyclegan.discriminator_loss(discriminators, a, b, fake_a, fake_b)
    assert judged.item() == pytest.approx((0.8**2 + 0.2**2) / 2 + (0.1**2 + 0.9**2) / 2)


def test_the_rate_is_constant_and_then_falls_to_zero():
    settings = TranslationSettings(steps=100, learning_rate=0.2, decay_from=0.5)
    rates = [cyclegan.learning_rate(settings, step) for step in (0, 49, 50, 75, 100)]
    assert rates == pytest.approx([0.2, 0.2, 0.2, 0.1, 0.0])


def test_the_pool_shows_each_image_until_it_is_full_and_then_every_other_old_one():
    pool, chance = cyclegan.ImagePool(5, (2, 2)), np.random.default_rng(0)
    shown = []
    for number in range(2000):
        image = torch.full((1, 3, 2, 2), float(number))
        shown.append(pool.exchanged(image, number, chance)[0, 0, 0, 0].item())
    assert shown[:5] == [0, 1, 2, 3, 4]
    new = np.mean([value == number for number, value in enumerate(shown)])
    assert 0.45 < new < 0.55
    old = [number - value for number, value in enumerate(shown) if value != number]
    assert (
        min(old) > 0 and 5 < np.mean(old) < 15
    )  # ten steps on average: five places, each exchanged every other step
    assert cyclegan.ImagePool(0, (2, 2)).exchanged(image, 0, chance) is image


def test_crops_cover_small_images_and_are_cut_from_large_ones():
    chance = np.random.default_rng(0)
    small = random_crop(torch.full((3, 6, 10), 7, dtype=torch.uint8), (16, 16), chance)
    assert small.shape == (3, 16, 16) and (small == 7).all()  # nothing beyond the image is shown
    large = torch.arange(40 * 40, dtype=torch.int64).remainder(251).to(torch.uint8).reshape(1, 40, 40)
    found = random_crop(large.expand(3, -1, -1), (16, 16), chance)
    windows = large[0].unfold(0, 16, 1).unfold(1, 16, 1)
    same = [(windows == each).all(dim=-1).all(dim=-1).any() for each in (found[0], found[0].flip(1))]
    assert any(same)


def test_translating_keeps_the_size_of_an_image():
    image = torch.randint(0, 256, (3, 17, 30), dtype=torch.uint8)
    assert translate(ResnetGenerator(2, 1, seed=0).eval(), image, torch.device("cpu")).shape == image.shape
    values = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(cyclegan.unscaled(cyclegan.scaled(values)), values)


def test_a_known_translation_is_learned():
    """B is A with exchanged, darkened colours, and blurred: what is made of B is near the A that it came from.

    Training sees other images of A than those whose B it sees, so that no pair is ever shown.
    """
    settings = TranslationSettings(
        **{
            **SMALL,
            "width": 8,
            "discriminator_width": 8,
            "steps": 120,
            "batch_size": 4,
            "learning_rate": 2e-3,
        }
    )
    generator = torch.Generator().manual_seed(0)

    def of_a(count):
        """Warm pictures of soft patches."""
        coarse = torch.rand(count, 3, 4, 4, generator=generator)
        coarse = coarse * torch.tensor([0.6, 0.4, 0.3]).view(1, 3, 1, 1) + torch.tensor([0.4, 0.2, 0.0]).view(
            1, 3, 1, 1
        )
        return F.interpolate(coarse, (16, 16), mode="bilinear") * 2 - 1

    def of_b(images):
        """Blue for red, darker, blurred."""
        return F.avg_pool2d(F.pad(images.flip(1) * 0.8 - 0.2, (1, 1, 1, 1), mode="reflect"), 3, stride=1)

    generators = cyclegan.Generators(settings, seed=0)
    discriminators = cyclegan.Discriminators(settings, seed=0)
    optimizers = [
        torch.optim.Adam(network.parameters(), lr=settings.learning_rate, betas=(0.5, 0.999))
        for network in (generators, discriminators)
    ]
    held_out = of_a(32)
    paired = of_b(held_out)

    def errors():
        with torch.inference_mode():
            made = generators.to_a(paired)
            cycle = (generators.to_b(made) - paired).abs().mean().item()
            return cycle, (made - held_out).abs().mean().item()

    before = errors()
    for step in range(settings.steps):
        a, b = of_a(settings.batch_size), of_b(of_a(settings.batch_size))
        for optimizer in optimizers:
            optimizer.param_groups[0]["lr"] = cyclegan.learning_rate(settings, step)
            optimizer.zero_grad()
        with cyclegan.without_gradients(discriminators):
            loss, fake_a, fake_b = cyclegan.generator_loss(generators, discriminators, a, b, settings)
            loss.backward()
        optimizers[0].step()
        cyclegan.discriminator_loss(discriminators, a, b, fake_a, fake_b).backward()
        optimizers[1].step()
    cycle, distance = errors()
    untranslated = (paired - held_out).abs().mean().item()
    assert cycle < 0.5 * before[0]
    assert distance < 0.5 * untranslated


@pytest.fixture(scope="module")
def plan():
    methods = {"directions": ["depth_to_segmentation"], "methods": ["baseline", "cyclegan", "atdt_cyclegan"]}
    return planned(study(translation=SMALL, experiment=methods))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("translation")


@pytest.fixture(scope="module")
def records(plan, folder):
    return carried_out(list(plan.of_kind("atdt_translated")), folder)


def test_the_plan_translates_b_once_and_takes_it_in_place_of_b(plan):
    kinds = {kind: plan.of_kind(kind) for kind in ("atdt_translator", "atdt_translated", "atdt_network")}
    (translator,), (translated,) = kinds["atdt_translator"], kinds["atdt_translated"]
    assert {role: parent.name for role, parent in translator.parents.items()} == {
        "a": "carla",
        "b": "cityscapes_depth",
    }
    assert translated.name == "cityscapes_depth-like-carla"
    n1 = next(run for run in kinds["atdt_network"] if "depth" in run.settings["tasks"])
    assert n1.settings["tasks"]["depth"] == ["carla", "cityscapes_depth-like-carla"]
    on = {
        each["method"]: each.run.parents
        for each in plan.wanted_of("atdt_evaluation")
        if each["evaluated_on"] == "b"
    }
    assert "dataset_cityscapes_depth" in on["baseline"]
    for method in ("cyclegan", "atdt_cyclegan"):
        assert on[method]["dataset_cityscapes_depth-like-carla"].key == translated.key
    assert on["cyclegan"]["decoder"].key == on["baseline"]["decoder"].key  # N2 of A


def test_translating_more_is_no_matter_of_the_other_runs():
    """Methods that are added, and CycleGAN's settings, leave the keys of all other runs."""
    methods = {"directions": ["depth_to_segmentation"], "methods": ["baseline", "atdt"]}
    more = {**methods, "methods": [*methods["methods"], "cyclegan"]}
    plain = {run.key for run in planned(study(experiment=methods)).runs}
    assert plain < {run.key for run in planned(study(translation=SMALL, experiment=more)).runs}


def test_a_translated_dataset_has_other_pictures_and_the_same_annotation(records, plan, folder):
    (run,) = plan.of_kind("atdt_translated")
    assert records[run.name]["metrics"]["counts"] == {"train": 16, "val": 5}
    found = PreparedDataset.open(run.folder(folder / "store"))
    whole = PreparedDataset.open(run.parents["whole"].folder(folder / "store"))
    assert found.description.name == run.name and found.description.mean != whole.description.mean
    for split in ("train", "val"):
        assert found.ids(split) == whole.ids(split)
        for task_type, annotation in (("segmentation", "mask"), ("depth", "depth")):
            own, other = (each.read(split, [0, 4], task_type) for each in (found, whole))
            for one, two in zip(own, other, strict=True):
                assert torch.equal(getattr(one, annotation), getattr(two, annotation))
                assert one.image.shape == two.image.shape and not torch.equal(one.image, two.image)


def test_the_translator_tells_its_errors(records):
    (record,) = [each for each in records.values() if each["kind"] == "atdt_translator"]
    metrics = record["metrics"]
    assert metrics["curve"][-1][0] == SMALL["steps"] and metrics["steps_per_second"] > 0
    assert 0 < metrics["value"] < 1 and metrics["primary"] == "cycle_error"
    assert metrics["value"] == pytest.approx((metrics["cycle_error_a"] + metrics["cycle_error_b"]) / 2)


def test_an_interrupted_translator_goes_on_to_the_same_bits(records, plan, folder, tmp_path, monkeypatch):
    (run,) = plan.of_kind("atdt_translator")
    store = tmp_path / "store"
    for parent in ancestry([run]):
        shutil.copytree(parent.folder(folder / "store"), parent.folder(store))
    monkeypatch.setattr(loop, "LOOK_EVERY", 7)
    monkeypatch.setenv("TRANSFER_ATLAS_SAVE_SECONDS", "0")
    own_save = loop._save

    def save_and_die(*values):
        own_save(*values)
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(loop, "_save", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            execute(request(run, store, tmp_path / "scratch"), io.StringIO())
    execute(request(run, store, tmp_path / "scratch"), io.StringIO())
    once, again = (
        load_checkpoint(run.folder(root) / "model.safetensors")[0] for root in (folder / "store", store)
    )
    assert once.keys() == again.keys() and all(torch.equal(once[name], again[name]) for name in once)


def test_a_translator_that_diverged_is_a_result_and_so_is_what_builds_on_it(tmp_path):
    methods = {"directions": ["depth_to_segmentation"], "methods": ["cyclegan"]}
    hopeless = {**SMALL, "learning_rate": 1e30, "steps": 4}
    short = {"segmentation": {"resolution": [32, 32], "crop": [32, 32], "batch_size": 2, "steps": 1}}
    plan = planned(study(translation=hopeless, training=short, experiment=methods))
    (evaluation,) = plan.of_kind("atdt_evaluation")
    found = carried_out([evaluation], tmp_path)
    assert next(each for each in found.values() if each["kind"] == "atdt_translator")["status"] == "diverged"
    record = read_run(evaluation.folder(tmp_path / "store"))
    assert record["status"] == "source_failed" and "diverged" in record["reason"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"crop": [30, 32]}, "multiples of 4"), ({"crop": [16, 16], "discriminator_layers": 3}, "at least 32")],
)
def test_settings_that_cannot_be_are_refused(changes, told):
    with pytest.raises(ValueError, match=told):
        TranslationSettings(**{**SMALL, **changes})
