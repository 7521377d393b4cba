"""Writing result tables as Parquet files that are the same to the last byte for the same content."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from transfer_atlas.analysis.atdt.schema import ATDT_TABLES
from transfer_atlas.analysis.combination.schema import COMBINATION_TABLES
from transfer_atlas.analysis.comparison.schema import COMPARISON_TABLES
from transfer_atlas.analysis.findings.schema import FINDING_TABLES
from transfer_atlas.analysis.published.schema import PUBLISHED_TABLES
from transfer_atlas.analysis.subtasks.schema import SUBTASK_TABLES
from transfer_atlas.analysis.tables.detail_schema import DETAIL_TABLES
from transfer_atlas.analysis.tables.method_schema import METHOD_TABLES
from transfer_atlas.analysis.tables.pool_schema import POOL_TABLES
from transfer_atlas.analysis.tables.schema import TABLES as STUDY_TABLES
from transfer_atlas.analysis.tables.score_schema import SCORE_TABLES

TABLES = (
    STUDY_TABLES
    | METHOD_TABLES
    | DETAIL_TABLES
    | SCORE_TABLES
    | FINDING_TABLES
    | PUBLISHED_TABLES
    | COMPARISON_TABLES
    | ATDT_TABLES
    | COMBINATION_TABLES
    | SUBTASK_TABLES
    | POOL_TABLES
)


def write_table(frame: pd.DataFrame, path: Path | str, table: str | None = None) -> None:
    """Write a result table; the file's name without suffix says which schema, unless `table` does.

    The bytes depend on the content only: rows are sorted by the schema, and neither a pandas index nor
    pandas' own metadata (which name the pandas version) are stored.
    """
    path = Path(path)
    name = table or path.stem
    if name not in TABLES:
        raise ValueError(f"{path}: no schema named {name!r}; there are {sorted(TABLES)}")
    frame = TABLES[name].conform(frame)
    schema = TABLES[name].arrow_schema()
    columns = [pa.array(frame[field.name], type=field.type, from_pandas=True) for field in schema]
    path.parent.mkdir(parents=True, exist_ok=True)
    # Uncompressed pages would be as deterministic; zstd is so too for one version of pyarrow.
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), path, compression="zstd")


def read_table(path: Path | str, table: str | None = None) -> pd.DataFrame:
    """Read a result table back with the types of its schema."""
    path = Path(path)
    frame = pq.read_table(path).to_pandas()
    for name in frame.columns:
        # Arrow lists come back as arrays; lists are what the functions of this package make and expect.
        if frame[name].map(lambda cell: hasattr(cell, "tolist") and not isinstance(cell, str)).any():
            frame[name] = frame[name].map(lambda cell: cell.tolist() if hasattr(cell, "tolist") else cell)
    return TABLES[table or path.stem].conform(frame)
