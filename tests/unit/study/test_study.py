"""The study's configuration: every mistake is one clear message, and settings are layered as documented."""

from pathlib import Path

import pytest
import study_examples as examples
import yaml

from transfer_atlas.errors import ConfigurationError
from transfer_atlas.study.parse import load_study, parse_study
from transfer_atlas.study.task import Task
from transfer_atlas.training.settings import PolySchedule, StepSchedule

REPOSITORY = Path(__file__).resolve().parents[3]


def message_of(*changes) -> str:
    with pytest.raises(ConfigurationError) as caught:
        parse_study(examples.values(*changes))
    return str(caught.value)


@pytest.mark.parametrize("path", ["config.yaml", *sorted(p.name for p in (REPOSITORY / "studies").glob("*"))])
def test_the_studies_of_the_repository_are_valid(path):
    file = REPOSITORY / path if path == "config.yaml" else REPOSITORY / "studies" / path
    assert load_study(file).tasks()


@pytest.mark.parametrize(
    ("change", "path", "nearest"),
    [
        (("experimnts", []), "experimnts", "experiments"),
        (("backbone.nme", "x"), "backbone.nme", "name"),
        (("datasets.camvid.domian", "x"), "datasets.camvid.domian", "domain"),
        (("datasets.camvid.adapter.classs", []), "datasets.camvid.adapter.classs", "classes"),
        (
            ("datasets.camvid.tasks.segmentation.training.batchsize", 4),
            "datasets.camvid.tasks.segmentation.training.batchsize",
            "batch_size",
        ),
        (
            ("task_types.segmentation.training.schedule", {"policy": "poly", "powr": 2}),
            "task_types.segmentation.training.schedule.powr",
            "power",
        ),
        (
            ("task_types.segmentation.regimes.small_target.stps", 4),
            "task_types.segmentation.regimes.small_target.stps",
            "steps",
        ),
        (("experiments.0.target", []), "experiments[0].target", "targets"),
        (("ilsvrc.sed", 1), "ilsvrc.sed", "seed"),
        (("regimes.small_target", {"target_image": 5}), "regimes.small_target.target_image", "target_images"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_known_one(change, path, nearest):
    message = message_of(change)
    assert "has 1 problem:" in message and len(message.splitlines()) == 2
    assert f"  {path}: unknown key (did you mean {nearest}" in message


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (("datasets.camvid.adapter.name", "image_mask_folder"), "datasets.camvid.adapter: unknown name "),
        (("datasets.camvid.tasks", {"segmentatoin": {}}), "datasets.camvid.tasks.segmentatoin: found 'segm"),
        (("experiments.0.baselines", ["imagenet"]), "experiments[0].baselines[0]: found 'imagenet' (known:"),
        (("ilsvrc.origin", "tim"), "ilsvrc: unknown origin 'tim' (did you mean timm"),
        (("ilsvrc", {"dataset": "ilsvrc"}), "ilsvrc: the key origin is missing"),
        (("datasets.camvid", {"tasks": {}, "domain": "x"}), "datasets.camvid.adapter: missing; add this key"),
        (("experiments", [{"regime": "full_target"}]), "experiments[0].targets: missing; add this key"),
        (
            ("task_types.segmentation.training.steps", "many"),
            "training.steps: expected a whole number (found",
        ),
        (("task_types.segmentation.training.steps", 0), "task_types.segmentation.training.steps: Input"),
        (
            ("datasets.camvid.adapter.path", 3),
            "adapter.path: expected text; put it in quotation marks (found 3)",
        ),
        (("datasets", {}), "datasets: Dictionary should have at least 1 item"),
        (
            ("datasets.Cam Vid", examples.folders("x")),
            "datasets.Cam Vid: a name has lower-case letters, digits and _",
        ),
        (("experiments.0.seeds", []), "experiments[0].seeds: List should have at least 1 item"),
        (("regimes.small_target", {"target_images_of": {"camvid": -5}}), "target_images_of.camvid: Input"),
        (
            ("task_types.segmentation.training.crop", [64, 50]),
            "task_types.segmentation.training: crop is [64, 50]; the backbone needs multiples of 32",
        ),
        (
            ("task_types.segmentation.training.scale", [2.0, 0.5]),
            "task_types.segmentation.training: scale is [2.0, 0.5]; expected 0 < smallest <= largest",
        ),
    ],
)
def test_a_mistake_is_one_line_that_names_its_place(change, line):
    message = message_of(change)
    assert "has 1 problem:" in message and len(message.splitlines()) == 2
    assert line in message
    assert len(message) < 400


@pytest.mark.parametrize(
    ("change", "where", "found"),
    [
        (("experiments.0.sources", ["segmentation/camvd"]), "experiments[0].sources", "segmentation/camvid"),
        (("experiments.0.targets", ["camvid"]), "experiments[0].targets", "segmentation/camvid"),
        (("experiments.0.targets", ["depth/*"]), "experiments[0].targets", "depth/*"),
        (("ilsvrc.dataset", "ilsvrc12"), "ilsvrc.dataset", "classification/ilsvrc"),
        (("ilsvrc.dataset", "camvid"), "ilsvrc.dataset", "classification/camvid"),
    ],
)
def test_an_unknown_task_of_an_experiment_is_named_with_near_ones(change, where, found):
    message = message_of(change)
    assert message.startswith(f"{where}: unknown task") and len(message.splitlines()) == 1
    assert found in message


def test_several_mistakes_are_told_together():
    message = message_of(("backbone.nme", "x"), ("datasets.camvid.domain", 3), ("experimnts", []))
    assert "has 3 problems:" in message and len(message.splitlines()) == 4


@pytest.mark.parametrize("text", ["", "- a\n- b", "just text", "study: [", "a: b: c"])
def test_a_file_that_is_no_study_is_a_clear_error(tmp_path, text):
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=r"study\.yaml"):
        load_study(tmp_path / "study.yaml")


def test_a_missing_study_file_is_a_clear_error(tmp_path):
    with pytest.raises(ConfigurationError, match=r"no\.yaml does not exist"):
        load_study(tmp_path / "no.yaml")


def test_an_override_that_is_wrong_only_once_merged_names_its_task():
    chosen = examples.study(("datasets.camvid.tasks.segmentation.training.crop", [50, 50]))
    with pytest.raises(ConfigurationError) as caught:
        chosen.training(Task.parse("segmentation/camvid"), None)
    assert str(caught.value).splitlines()[0] == "the training of segmentation/camvid has 1 problem:"
    assert "  all together: crop is [50, 50]; the backbone needs multiples of 32" in str(caught.value)


# Layers: task type < task type's regime < dataset < dataset's regime

LAYERS = [
    "task_types.segmentation.training",
    "task_types.segmentation.regimes.small_target",
    "datasets.camvid.tasks.segmentation.training",
    "datasets.camvid.tasks.segmentation.regimes.small_target",
]


@pytest.mark.parametrize("top", range(4))
def test_the_higher_layer_of_training_settings_wins(top):
    changes = [(f"{layer}.batch_size", 2 + number) for number, layer in enumerate(LAYERS[: top + 1])]
    assert (
        examples.study(*changes).training(Task.parse("segmentation/camvid"), "small_target").batch_size
        == 2 + top
    )


def test_regime_settings_touch_neither_sources_nor_other_regimes_nor_other_datasets():
    chosen = examples.study(
        ("task_types.segmentation.regimes.small_target.steps", 7), (f"{LAYERS[3]}.batch_size", 3)
    )
    assert chosen.training(Task.parse("segmentation/camvid"), "small_target").steps == 7
    assert chosen.training(Task.parse("segmentation/camvid"), "full_target").steps == 100
    assert chosen.training(Task.parse("segmentation/camvid"), None).steps == 100
    assert chosen.training(Task.parse("segmentation/camvid"), None).batch_size == 32
    assert chosen.training(Task.parse("segmentation/suim"), "small_target").batch_size == 32


def test_sections_are_layered_key_by_key():
    chosen = examples.study(
        ("task_types.segmentation.training.optimizer", {"name": "adam", "weight_decay": 0.5}),
        ("datasets.camvid.tasks.segmentation.training.optimizer", {"weight_decay": 0.25}),
        ("datasets.suim.tasks.segmentation.training.schedule", {"policy": "poly"}),
        ("task_types.segmentation.training.schedule", {"policy": "step", "drop_at": [0.25]}),
        ("datasets.camvid.tasks.segmentation.training.schedule", {"policy": "step", "factor": 0.5}),
    )
    camvid = chosen.training(Task.parse("segmentation/camvid"), None)
    assert (camvid.optimizer.name, camvid.optimizer.weight_decay) == ("adam", 0.25)
    assert camvid.schedule == StepSchedule(drop_at=[0.25], factor=0.5)
    assert chosen.training(Task.parse("segmentation/suim"), None).schedule == PolySchedule(policy="poly")
    assert chosen.training(Task.parse("segmentation/isprs"), None).optimizer.weight_decay == 0.5


def test_the_learning_rate_grid_is_relative_to_the_targets_rate_and_highest_first():
    chosen = examples.study(
        ("task_types.segmentation.learning_rate_factors", [0.1, 1.0, 0.5]),
        ("datasets.suim.tasks.segmentation.training.learning_rate", 0.02),
        ("datasets.isprs.tasks.segmentation.regimes.small_target.learning_rate", 4.0),
    )
    assert chosen.learning_rates(Task.parse("segmentation/camvid"), "small_target") == pytest.approx(
        [0.1, 0.05, 0.01]
    )
    assert chosen.learning_rates(Task.parse("segmentation/suim"), "full_target") == pytest.approx(
        [0.02, 0.01, 0.002]
    )
    assert chosen.learning_rates(Task.parse("segmentation/isprs"), "small_target") == pytest.approx(
        [4.0, 2.0, 0.4]
    )
    assert examples.study().learning_rates(Task.parse("segmentation/camvid"), "full_target") == pytest.approx(
        [0.1, 0.03, 0.01]
    )


# Tasks


def test_tasks_are_in_the_order_of_the_configuration():
    assert examples.study().tasks() == [
        "classification/ilsvrc",
        "segmentation/camvid",
        "segmentation/suim",
        "segmentation/isprs",
    ]


def test_expand_knows_wildcards_and_names_each_task_once():
    chosen = examples.study()
    assert chosen.expand(["segmentation/suim", "segmentation/*"], "here") == [
        "segmentation/suim",
        "segmentation/camvid",
        "segmentation/isprs",
    ]
    assert chosen.expand(["classification/*"], "here") == ["classification/ilsvrc"]
    assert chosen.expand([], "here") == []
    for unknown in ("*", "*/camvid", "segmentation/", "segmentation/cam*", "depth/*"):
        with pytest.raises(ConfigurationError, match=r"^here: unknown task"):
            chosen.expand([unknown], "here")


def test_the_papers_regimes_are_the_defaults_and_naming_one_keeps_the_others():
    regimes = examples.study(("regimes.small_target", {"target_images": 30})).regimes
    assert (regimes["small_target"].target_images, regimes["small_target"].target_images_of) == (30, {})
    assert regimes["full_target"].target_images is None
    small = regimes["small_source_small_target"]
    assert (small.target_images, small.source_images) == (150, 1500)
    assert small.target_images_of == {"coco": 1000, "ade20k": 1000}


def test_a_study_survives_yaml():
    assert parse_study(yaml.safe_load(yaml.safe_dump(examples.values()))) == examples.study()


# Detection and keypoints

DETECTION = ("datasets.camvid", {"domain": "consumer", "adapter": {"name": "miniature", "dataset": "coco"}})


def of_coco(*changes):
    tasks = {"detection": {}, "keypoints": {}, "segmentation": {}}
    return (DETECTION, ("datasets.camvid.tasks", tasks), *changes)


def test_centre_points_are_trained_with_adam_unless_told_otherwise():
    study = examples.study(*of_coco())
    for task_type in ("detection", "keypoints"):
        training = study.training(Task.parse(f"{task_type}/camvid"), None)
        assert (training.optimizer.name, training.batch_size) == ("adam", 128)
        assert training.learning_rate == pytest.approx(5e-4) and training.optimizer.weight_decay == 0
    assert study.training(Task.parse("segmentation/camvid"), None).optimizer.name == "sgd"
    study = examples.study(
        *of_coco(
            ("task_types.detection.training.steps", 7),
            ("task_types.detection.training.optimizer", {"weight_decay": 0.5}),
            ("datasets.camvid.tasks.detection.training", {"batch_size": 2}),
        )
    )
    training = study.training(Task.parse("detection/camvid"), "full_target")
    assert (training.steps, training.batch_size) == (7, 2)
    assert (training.optimizer.name, training.optimizer.weight_decay) == ("adam", 0.5)
    assert study.training(Task.parse("keypoints/camvid"), None).batch_size == 128


def test_how_detection_is_scored_is_a_setting_of_the_task():
    study = examples.study(*of_coco())
    assert study.evaluation(Task.parse("detection/camvid")) == {
        "evaluation": {"measure": "coco_map", "nms": None}
    }
    assert (
        study.evaluation(Task.parse("segmentation/camvid"))
        == study.evaluation(Task.parse("keypoints/camvid"))
        == {}
    )
    chosen = ("datasets.camvid.tasks.detection.evaluation", {"measure": "ap50", "nms": 0.3})
    study = examples.study(*of_coco(chosen))
    assert study.evaluation(Task.parse("detection/camvid")) == {"evaluation": {"measure": "ap50", "nms": 0.3}}
    message = message_of(*of_coco(("datasets.camvid.tasks.keypoints.evaluation", {"nms": 0.3})))
    assert "datasets.camvid.tasks.keypoints.evaluation: there is one way to score keypoints" in message


def test_regimes_have_free_names_but_no_slips():
    few = ("regimes.twelve", {"target_images": 12})
    assert examples.study(few, ("experiments.0.regime", "twelve")).regimes["twelve"].target_images == 12
    with pytest.raises(
        ConfigurationError, match=r"experiments\[0\].regime: unknown regime 'small_targt' \(did you mean s"
    ):
        examples.study(("experiments.0.regime", "small_targt"))
    with pytest.raises(
        ConfigurationError, match=r"regimes.ful_target: no experiment uses it \(did you mean full_target"
    ):
        examples.study(("regimes.ful_target", {}))
    with pytest.raises(
        ConfigurationError, match="target_shots counts images of each class, which segmentation/"
    ):
        examples.study(("regimes.shots", {"target_shots": 5}), ("experiments.0.regime", "shots"))


def test_a_study_without_a_single_transfer_is_refused():
    with pytest.raises(ConfigurationError, match="no transfer to run: a task is no source of itself"):
        examples.study(
            (
                "experiments",
                [{"sources": ["segmentation/suim"], "targets": ["segmentation/suim"], "baselines": []}],
            )
        )


def test_parts_of_a_dataset_are_tasks_of_their_own():
    chosen = examples.study(
        ("datasets.camvid.parts", {"morning": {"images": ["m*"]}, "night": {"images": ["n*", "x*"]}}),
        ("experiments.0.sources", ["segmentation/camvid@*"]),
        ("experiments.0.targets", ["segmentation/suim"]),
    )
    found = chosen.sources_of(chosen.experiments[0], "here")
    assert found == ["segmentation/camvid@morning", "segmentation/camvid@night"]
    assert chosen.expand(["segmentation/*"], "here") == [
        f"segmentation/{n}" for n in ("camvid", "suim", "isprs")
    ]


@pytest.mark.parametrize(
    "text", ["segmentation", "segmentation/", "Segmentation/a", "a/b/c", "a/b@", "a/b@c@d", ""]
)
def test_what_names_no_task_is_refused(text):
    with pytest.raises(ConfigurationError, match="names no task"):
        Task.parse(text)


def test_a_task_is_its_text():
    for text in ("segmentation/camvid", "segmentation/cityscapes@aachen"):
        assert str(Task.parse(text)) == text
    assert Task.parse("segmentation/cityscapes@aachen").slug == "segmentation-cityscapes.aachen"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            ("task_types.segmentation.training.crop", [0, 0]),
            "crop[0]: Input should be greater than or equal to 1",
        ),
        (
            ("task_types.segmentation.training.resolution", [-64, 64]),
            "resolution[0]: Input should be greater",
        ),
        (("task_types.segmentation.training.learning_rate", float("inf")), "expected a finite number"),
        (("task_types.segmentation.training.scale", [0.5, float("inf")]), "expected a finite number"),
        (("task_types.segmentation", None), "task_types.segmentation: nothing stands there; fill it in"),
        (("store", "a{b}"), "store: the folder holds a brace"),
        (("store", "$NOT_SET_ANYWHERE/x"), "store: the folder names a variable that is not set"),
        (("datasets.MyData", examples.folders("x")), "lower-case letters, digits and _, and begins"),
        (("datasets.camvid.adapter", {"path": "x"}), "the key name is missing (known: ade20k, "),
        (("experiments.0.sources", "segmentation/suim"), "expected a list, such as [a, b]"),
    ],
)
def test_what_would_fail_hours_later_is_told_at_once(change, said):
    message = message_of(change)
    assert said in message and "Traceback" not in message


def test_folders_are_read_as_a_shell_reads_them(monkeypatch):
    monkeypatch.setenv("ATLAS_PLACE", "/somewhere")
    chosen = examples.study(("store", "~/store"), ("scratch", "$ATLAS_PLACE/scratch"))
    assert chosen.store == Path("~/store").expanduser() and chosen.scratch == Path("/somewhere/scratch")


def test_a_multi_source_may_name_all_tasks_of_a_type():
    chosen = examples.study(("multi_sources", {"multi_segmentation": {"tasks": ["segmentation/*"]}}))
    assert len(chosen.tasks_of_multi_source("multi_segmentation")) == 3


def test_a_schedule_without_policy_is_stepwise():
    chosen = examples.study(("task_types.segmentation.training.schedule", {"factor": 0.5}))
    assert chosen.training(Task.parse("segmentation/camvid"), None).schedule.factor == 0.5


def test_one_image_to_fit_and_to_hold_out_is_refused_in_time():
    with pytest.raises(
        ConfigurationError, match="one training image of the target cannot be both fitted and held"
    ):
        examples.study(("select_on", "held_out"), ("regimes.small_target", {"target_images": 1}))
