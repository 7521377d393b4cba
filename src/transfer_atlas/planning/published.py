"""What `snakemake published` makes of the numbers that papers print: tables, figures, and when they are current.

Names stand here, and not beside what makes them, since planning imports no analysis; a test holds the two together.
"""

from __future__ import annotations

from pathlib import Path

from transfer_atlas import code_versions
from transfer_atlas.planning.plan import ANALYSIS
from transfer_atlas.store.files import RememberedDigests
from transfer_atlas.store.keys import key_of

RESULTS = Path("results/published")
TABLES = (
    "gains",
    "effects",
    "best_effects",
    "best_sources",
    "domain_distances",
    "findings",
    "metric_evaluation",
    "metric_differences",
    "metric_stability",
    "published_checks",
)
REGIMES = {  # with the target task types of Tables 3, 4 and 5 that can be read
    "small_target": ("segmentation", "detection", "keypoints", "depth"),
    "full_target": ("segmentation", "detection", "keypoints"),
    "small_source_small_target": ("segmentation",),
}
JUDGED = ("gbc", "h_score", "leep", "logme", "n_leep", "domain_distance")  # metrics with published scores
FIGURES = (
    *(f"gains_{task_type}_{regime}" for regime, types in REGIMES.items() for task_type in types),
    *(f"effects_{regime}" for regime in REGIMES),
    *(f"absolute_segmentation_{regime}" for regime in ("small_target", "full_target")),
    "domain_distances",
    "scores_gbc_272_pairs",
    *(f"scores_{metric}_by_target_gbc_272_pairs" for metric in JUDGED),
)


def published_stamp(folder: Path) -> Path:
    """The stamp of tables and figures of the files in `folder`: another file, or another analysis, has another."""
    files = sorted(path.name for path in Path(folder).glob("*.csv"))
    digests = RememberedDigests("md5").of(Path(folder), files)
    key = key_of({"files": digests, "code": code_versions.versions([ANALYSIS])})
    return RESULTS / ".shows" / f"published-{key}.json"
