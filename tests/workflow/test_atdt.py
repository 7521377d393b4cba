"""Learning across tasks and domains through the real workflow: tables, page and figures; then nothing is left to do."""

from collections import Counter

import pandas as pd
import yaml
from atdt_examples import study

SHORT = {"resolution": [32, 32], "crop": [32, 32], "batch_size": 2, "learning_rate": 0.003, "steps": 2}
TRANSLATION = {
    "width": 2,
    "blocks": 1,
    "discriminator_width": 2,
    "discriminator_layers": 1,
    "crop": [16, 16],
    "steps": 2,
}


def test_a_study_of_atdt_alone_leaves_its_tables_and_figures_and_is_done(begun):
    chosen = {"directions": ["depth_to_segmentation"], "methods": ["baseline", "atdt", "cyclegan"]}
    values = study(
        training={"segmentation": SHORT, "depth": SHORT}, translation=TRANSLATION, experiment=chosen
    )
    values["atdt"]["transfer_network"]["steps"] = 2
    values |= {"backbone": {"name": "hrnet_tiny"}, "ilsvrc": {"origin": "scratch"}}
    adapter = {"name": "miniature", "dataset": "kitti", "image_size": 32, "n_train": 6, "n_val": 2}
    values["datasets"]["kitti"] = {"domain": "driving", "adapter": adapter, "tasks": {"segmentation": {}}}
    (begun.folder / "atdt.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    call = begun.snakemake("atdt", study="atdt.yaml").well()
    assert "undecided" in call.said  # one seed tells nothing of chance
    tables = begun.folder / "results/tables"
    results = pd.read_parquet(tables / "atdt_results.parquet")
    on_b = results[(results["evaluated_on"] == "b") & (results["metric"] == "mean_iou")]
    assert set(on_b["method"]) == {"baseline", "atdt", "cyclegan"} and on_b["mean"].notna().all()
    page = (tables / "atdt.html").read_text(encoding="utf-8")
    assert "<td>CycleGAN</td>" in page and "42.33" in page  # ours, and the paper's Table 3
    figures = {path.name for path in (begun.folder / "results/figures").iterdir()}
    assert figures == {
        f"{name}.{kind}" for name in ("atdt_features", "atdt_panels") for kind in ("png", "svg")
    }
    said = begun.snakemake("all", "atdt", "-n", study="atdt.yaml").well()
    assert not said.jobs  # nor does the default target ask for anything more

    # Its task networks are candidates for a new dataset where they are asked for: nothing is trained for that.
    call = begun.snakemake(
        "recommend", "--config", "target=segmentation/kitti", "also=atdt", study="atdt.yaml"
    ).well()
    kinds = Counter(job.split(" ")[0] for job in call.finished)
    assert kinds["atdt_source"] == 2 and not {"atdt_network", "train_source", "transfer"} & set(kinds)
    table = pd.read_parquet(begun.folder / "results/recommendations/segmentation-kitti.parquet")
    networks = {"atdt:depth-carla-cityscapes_depth", "atdt:segmentation-carla"}
    assert networks <= set(table["source"]) and "atdt:depth-carla-cityscapes_depth" in call.said
