"""Small studies for the tests of the analysis: run records, and the published gains as a gains table."""

from pathlib import Path

import pandas as pd

from transfer_atlas.analysis.tables.schema import GAINS
from transfer_atlas.analysis.tables.transfers import effect, relation

PUBLISHED = Path(__file__).parents[2] / "resources" / "published"

DATASETS = {
    "coco": {"domain": "consumer", "n_train": 118000},
    "camvid": {"domain": "driving", "n_train": 367},
    "bdd": {"domain": "driving", "n_train": 7000},
    "detection/bdd": {"domain": "driving", "n_train": 70000},
    "sun": {"domain": "indoor", "n_train": 5000},
    "multi_segmentation": {"domain": "multi", "n_train": 200000, "domains": ["indoor", "consumer", "indoor"]},
}


def transfer_record(source, target, value, seed=0, regime="small_target", metric="mean_iou", **changes):
    """The run.json of a transfer; `value` None makes it a diverged run without metrics."""
    record = {
        "kind": "transfer",
        "key": f"{source}-{target}-{regime}-{seed}",
        "name": f"{source}--{target}--{regime}--seed{seed}",
        "status": "finished",
        "reason": None,
        "settings": {"steps": 10},
        "parents": {} if source == "scratch" else {"source": f"key-of-{source}"},
        "code_versions": {"train": 1},
        "git_commit": "0" * 40,
        "packages": {"torch": "2"},
        "device": "cpu",
        "seconds": 1.5,
        "peak_memory_host_bytes": 1000,
        "peak_memory_device_bytes": None,
        "created": "2024-01-01T00:00:00+00:00",
        "identity": {"source": source, "target": target, "regime": regime, "seed": seed},
        "metrics": {
            "primary": metric,
            "value": value,
            "higher_is_better": metric != "rmse",
            "best_learning_rate": 0.01,
            "grid": [],
        },
    }
    if value is None:
        record |= {"status": "diverged", "reason": "loss not finite", "metrics": None}
    return record | changes


def source_record(task):
    """The run.json of a source model."""
    record = transfer_record("ilsvrc", task, 0.5)
    return record | {"kind": "source", "name": task, "key": f"key-of-{task}", "identity": {"task": task}}


def published_gains(regime="small_target", change=0.0):
    """Table 3a or 4a of the paper as a gains table; `change` is added to each gain on a threshold.

    Printed gains are rounded, so 2, 10 and -2 may lie on either side of their thresholds.
    """
    datasets = pd.read_csv(PUBLISHED / "foi_datasets.csv").set_index("key")
    cells = pd.read_csv(PUBLISHED / f"foi_gains_{regime}_seg.csv")
    # The datasets the multi-source model was trained on, section 5.1: every domain of a segmentation dataset.
    multi = ["iSAID", "COCO", "Mapillary", "ScanNet", "SUIM", "vGallery", "vKITTI2"]
    rows = []
    for cell in cells.itertuples():
        source, dataset, domain = f"segmentation/{cell.source}", cell.source, cell.source_domain
        domains, size = [domain], None
        if cell.source == "Multi":
            source, dataset, domain = "multi_segmentation", "multi", "multi"
            domains, size = (
                sorted(datasets.loc[multi, "domain"].unique()),
                datasets.loc[multi, "n_train"].sum(),
            )
        elif cell.source == "Scratch":
            source, dataset, domain, domains = "scratch", "scratch", None, []
        else:
            size = datasets.loc[cell.source, "n_train"]
        gain = cell.gain + (change if cell.gain in (-2, 2, 10) else 0.0)
        row = dict.fromkeys(GAINS.column_names)
        row |= {"source": source, "target": f"segmentation/{cell.target}", "regime": regime}
        row |= {"source_task_type": None if source == "scratch" else "segmentation", "source_n_train": size}
        row |= {"source_dataset": dataset, "source_domain": domain, "source_domains": domains}
        row |= {"target_task_type": "segmentation", "target_dataset": cell.target}
        row |= {"target_domain": cell.target_domain, "target_n_train": datasets.loc[cell.target, "n_train"]}
        row |= relation(row)
        row |= {"metric": "mean_iou", "higher_is_better": True, "gain": gain, "effect": effect(gain)}
        row |= {"n_seeds": 1, "n_failed": 0, "status": "finished", "seeds": [0], "keys": [""]}
        row |= {"baseline_keys": [""]}
        rows.append(row)
    return GAINS.conform(pd.DataFrame(rows))
