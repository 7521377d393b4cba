"""Learning across tasks and domains through the real workflow: tables, page and figures; then nothing is left to do."""

import pandas as pd
import yaml
from atdt_examples import study


def test_a_study_of_atdt_alone_leaves_its_tables_and_figures_and_is_done(begun):
    variants = {"directions": ["depth_to_segmentation"], "levels": [3, 4]}
    short = {"resolution": [32, 32], "crop": [32, 32], "batch_size": 4, "learning_rate": 0.003, "steps": 4}
    values = study(training={"segmentation": short, "depth": short}, experiment=variants)
    (begun.folder / "atdt.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    call = begun.snakemake("atdt", study="atdt.yaml").well()
    assert "undecided" in call.said  # one seed tells nothing of chance
    tables = begun.folder / "results/tables"
    results = pd.read_parquet(tables / "atdt_results.parquet")
    assert set(results["method"]) == {"baseline", "atdt", "oracle"}
    assert "AT/DT" in (tables / "atdt.html").read_text(encoding="utf-8")
    figures = {path.name for path in (begun.folder / "results/figures").iterdir()}
    names = ("atdt_features", "atdt_panels", "atdt_levels")
    assert figures == {f"{name}.{suffix}" for name in names for suffix in ("png", "svg")}
    assert not begun.planned("atdt", study="atdt.yaml")
    assert not begun.planned(study="atdt.yaml")  # the default target asks for nothing more
    said = begun.snakemake("plan", study="atdt.yaml").well().stdout
    assert "AT/DT evaluations" in said
