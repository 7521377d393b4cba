"""Small studies for the tests of the analysis: run records, and the published gains as a gains table."""

from pathlib import Path

from transfer_atlas.analysis.published.factors_of_influence import published_gains as read_published_gains

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


def published_gains(regime="small_target"):
    """Table 3a, 4a or 5 of the paper as a gains table."""
    gains = read_published_gains(PUBLISHED)
    within = gains["source"].str.startswith("segmentation/") | gains["source"].isin(
        ["multi_segmentation", "scratch"]
    )
    chosen = (gains["regime"] == regime) & gains["target"].str.startswith("segmentation/") & within
    return gains[chosen].reset_index(drop=True)
