"""AT/DT on pictures of two homes, where they are at hand: prepared, planned, and carried out for a few steps."""

import os
from pathlib import Path

import pytest
import yaml
from atdt_examples import carried_out

from transfer_atlas.planning.content_versions import content_versions
from transfer_atlas.planning.plan import make_plan
from transfer_atlas.study.parse import parse_study

REPOSITORY = Path(__file__).resolve().parents[3]
REAL_IMAGES = Path(os.environ.get("TRANSFER_ATLAS_REAL_IMAGES", REPOSITORY.parent / "shared/real"))


def study():
    values = yaml.safe_load((REPOSITORY / "studies/atdt_photographs.yaml").read_text(encoding="utf-8"))
    small = {"resolution": [48, 64], "crop": [32, 32], "batch_size": 4, "learning_rate": 0.002, "steps": 25}
    values["atdt"]["training"] = {"segmentation": small, "depth": small}
    values["atdt"]["transfer_network"] |= {"crop": [32, 32], "batch_size": 4, "steps": 25, "channels": 16}
    values["atdt"]["experiments"][0] |= {"seeds": [0], "directions": ["depth_to_segmentation"]}
    return values


def test_the_two_homes_share_five_classes():
    parsed = parse_study(study())
    plan = make_plan(parsed, dict.fromkeys(parsed.datasets, "1"))
    (classes,) = {
        tuple(run.settings["classes"]) for run in plan.of_kind("atdt_network") if "classes" in run.settings
    }
    assert classes == ("wall", "floor", "cabinet", "furniture", "object")


@pytest.mark.slow
@pytest.mark.skipif(
    not all((REAL_IMAGES / name / "masks").is_dir() for name in ("replica_flat", "kitchen_seg")),
    reason=f"replica_flat and kitchen_seg are not in {REAL_IMAGES}; TRANSFER_ATLAS_REAL_IMAGES names their folder",
)
def test_both_homes_go_through_all_steps(tmp_path):
    values = study() | {"data_root": str(REAL_IMAGES), "scratch": str(tmp_path / "versions")}
    parsed = parse_study(values)
    plan = make_plan(parsed, *content_versions(parsed))
    found = carried_out([each.run for each in plan.wanted_of("atdt_evaluation")], tmp_path)
    assert {record["status"] for record in found.values()} == {"finished"}
    for record in found.values():
        if record["kind"] == "atdt_evaluation":
            assert set(record["metrics"]["per_class"]) <= {"wall", "floor", "cabinet", "furniture", "object"}
