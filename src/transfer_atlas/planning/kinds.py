"""The kinds of runs, each described once: rules, store, estimates, execution and sharing follow from this table.

To add a kind: its entry here, its runner, its rule, and what plans it (docs/architecture.md tells the steps).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from transfer_atlas.store.store import MODEL_FILE, SAMPLES_FILE

TRAINED = ("backbone", "images", "training", "task_{task_type}")
ATDT = ("backbone", "images", "atdt", "task_{task_type}")


@dataclass(frozen=True)
class Kind:
    """What is known of a kind of run.

    Parameters
    ----------
    rule
        The rule of the workflow that carries it out.
    folder
        Its folder in the store.
    title
        What people call the runs of this kind, in tables.
    noun
        What they call one.
    runner
        What computes it, as `module:function`; takes request, scratch folder and terminal, returns metrics.
    code
        Stages of code in its key; `{places}` are filled from what is planned.
    files
        Declared files beside run.json, by role.
    placeholder
        What writes the declared files of a run that failed legitimately, as `module:function`; None if there are none.
    shared
        Whether its folder is a layer of dvc.yaml.
    uses_torch
        Whether carrying it out imports torch.
    gpus
        Devices that a run of it asks for where there are any; see `gpus_of`.
    together
        Whether one job computes all missing runs of this kind that share a pair: they share what is expensive.
    always_listed
        Whether the plan's table names it even where a study has no such run.
    memory_mb, minutes
        Host memory and time of a first attempt at a run that does not train, where none like it is in the store; what
        training takes comes on top (`planning/resources.py`).
    least_memory_mb
        Host memory that is asked for at least: Snakemake itself lives in the job, and so does torch.
    """

    rule: str
    folder: str
    title: str
    noun: str
    runner: str
    code: tuple[str, ...]
    files: Mapping[str, str]
    placeholder: str | None = None
    shared: bool = True
    uses_torch: bool = True
    gpus: int = 1
    together: bool = False
    always_listed: bool = False
    memory_mb: int = 4000
    minutes: int = 60
    least_memory_mb: int = 2000

    def stages(self, **places: str) -> list[str]:
        """Stages of code in the key of a run, such as task_depth for `task_type="depth"`."""
        return [stage.format(**places) for stage in self.code]


KINDS: dict[str, Kind] = {  # in the order data flows
    "prepared": Kind(
        rule="prepare_dataset",
        folder="prepared",
        title="prepared datasets",
        noun="dataset",
        runner="transfer_atlas.datasets.prepare:prepare",
        code=("prepared", "adapter_{adapter}"),
        files={"description": "dataset.json"},
        uses_torch=False,
        gpus=0,
        always_listed=True,
        memory_mb=2000,
        minutes=240,
        least_memory_mb=1000,
    ),
    "part": Kind(
        rule="take_part",
        folder="parts",
        title="parts of datasets",
        noun="part of a dataset",
        runner="transfer_atlas.datasets.parts:take_part",
        code=("prepared", "parts"),
        files={"description": "dataset.json"},
        shared=False,
        uses_torch=False,
        gpus=0,
        memory_mb=2000,
    ),
    "ilsvrc": Kind(
        rule="ilsvrc_checkpoint",
        folder="ilsvrc",
        title="ILSVRC checkpoint",
        noun="checkpoint",
        runner="transfer_atlas.training.runners:ilsvrc",
        code=("backbone",),  # one that is trained adds those of training
        files={"model": MODEL_FILE},
        placeholder="transfer_atlas.models.checkpoints:save_no_model",
        always_listed=True,
    ),
    "source": Kind(
        rule="train_source",
        folder="sources",
        title="sources",
        noun="source",
        runner="transfer_atlas.training.runners:source",
        code=TRAINED,
        files={"model": MODEL_FILE},
        placeholder="transfer_atlas.models.checkpoints:save_no_model",
        always_listed=True,
    ),
    "transfer": Kind(
        rule="transfer",
        folder="transfers",
        title="transfers",
        noun="transfer",
        runner="transfer_atlas.training.runners:transfer",
        code=TRAINED,
        files={},
        always_listed=True,
    ),
    "target_model": Kind(
        rule="keep_target_model",
        folder="target_models",
        title="kept target models",
        noun="target model",
        runner="transfer_atlas.training.runners:target_model",
        code=TRAINED,
        files={"model": MODEL_FILE},
        placeholder="transfer_atlas.models.checkpoints:save_no_model",
    ),
    "image_features": Kind(
        rule="image_features",
        folder="image_features",
        title="image features",
        noun="image features of",
        runner="transfer_atlas.scoring.runners:image_features",
        code=("backbone", "images", "features"),
        files={"samples": SAMPLES_FILE},
        placeholder="transfer_atlas.scoring.sample_files:save_no_samples",
    ),
    "features": Kind(
        rule="features",
        folder="features",
        title="features of targets",
        noun="features",
        runner="transfer_atlas.scoring.runners:features",
        code=("backbone", "images", "features"),
        files={"samples": SAMPLES_FILE},
        placeholder="transfer_atlas.scoring.sample_files:save_no_samples",
        shared=False,
    ),
    "score": Kind(
        rule="score",
        folder="scores",
        title="scores",
        noun="scores of",
        runner="transfer_atlas.scoring.score_runs:score",
        code=("scores", "metric_{metric}"),  # of the module that computes the metric
        files={},
        gpus=0,
        together=True,
        memory_mb=8000,
    ),
    "atdt_translator": Kind(
        rule="atdt_translator",
        folder="atdt_translators",
        title="AT/DT translators",
        noun="translator",
        runner="transfer_atlas.atdt.translated:translator",
        code=("backbone", "images", "architecture_image_translation", "translation"),
        files={"model": MODEL_FILE},
        placeholder="transfer_atlas.models.checkpoints:save_no_model",
    ),
    "atdt_translated": Kind(
        rule="atdt_translated",
        folder="atdt_translated",
        title="translated datasets",
        noun="translated dataset",
        runner="transfer_atlas.atdt.translated:translated",
        code=("prepared", "backbone", "images", "architecture_image_translation", "translation"),
        files={"description": "dataset.json"},
        placeholder="transfer_atlas.atdt.translated:save_no_dataset",
    ),
    "atdt_network": Kind(
        rule="atdt_network",
        folder="atdt_networks",
        title="AT/DT task networks",
        noun="task network",
        runner="transfer_atlas.atdt.runners:network",
        code=ATDT,
        files={"model": MODEL_FILE},
        placeholder="transfer_atlas.models.checkpoints:save_no_model",
    ),
    "atdt_source": Kind(
        rule="atdt_source",
        folder="atdt_sources",
        title="AT/DT networks as sources",
        noun="source",
        runner="transfer_atlas.atdt.as_source:as_source",
        code=("backbone", "atdt_source"),
        files={"model": MODEL_FILE},
        placeholder="transfer_atlas.models.checkpoints:save_no_model",
        shared=False,
        gpus=0,
    ),
    "atdt_transfer_network": Kind(
        rule="atdt_transfer_network",
        folder="atdt_transfer_networks",
        title="AT/DT transfer networks",
        noun="transfer network",
        runner="transfer_atlas.atdt.runners:transfer_network",
        code=ATDT,
        files={"model": MODEL_FILE},
        placeholder="transfer_atlas.models.checkpoints:save_no_model",
    ),
    "atdt_evaluation": Kind(
        rule="atdt_evaluation",
        folder="atdt_evaluations",
        title="AT/DT evaluations",
        noun="evaluation",
        runner="transfer_atlas.atdt.runners:evaluation",
        code=ATDT,
        files={},
    ),
}


def gpus_of(kind: str, settings: Mapping[str, Any]) -> int:
    """GPUs that a run asks for where there are any: none for an ILSVRC checkpoint that is taken from its origin."""
    return 0 if kind == "ilsvrc" and "training" not in settings else KINDS[kind].gpus


def rank_of(kind: str) -> int:
    """Place of a kind in the order data flows."""
    return list(KINDS).index(kind)


def called(name: str) -> Any:
    """The function that `module:function` names, imported when it is needed."""
    module, function = name.split(":")
    return getattr(import_module(module), function)
