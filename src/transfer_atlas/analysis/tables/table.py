"""What a result table is: its columns with type, unit and meaning, and what makes a frame conform to them."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

ARROW_TYPES: dict[str, pa.DataType] = {
    "text": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "truth": pa.bool_(),
    "time": pa.timestamp("us", tz="UTC"),
    "texts": pa.list_(pa.string()),
    "integers": pa.list_(pa.int64()),
}
PANDAS_TYPES = {
    "text": "str",
    "integer": "Int64",
    "number": "float64",
    "truth": "boolean",
    "time": "datetime64[us, UTC]",
    "texts": "object",
    "integers": "object",
}


@dataclass(frozen=True)
class Column:
    """One column; `unit` is empty where there is none, `description` also says when a cell is empty."""

    name: str
    type: str  # a key of ARROW_TYPES
    unit: str
    description: str


@dataclass(frozen=True)
class Table:
    """One table; `identity` names the columns that tell its rows apart, by which rows are sorted too."""

    name: str
    description: str
    identity: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def column_names(self) -> list[str]:
        """The names of the columns, in order."""
        return [column.name for column in self.columns]

    def arrow_schema(self) -> pa.Schema:
        """Arrow schema whose fields carry their unit and description, and nothing that varies."""
        return pa.schema(
            [
                pa.field(
                    column.name,
                    ARROW_TYPES[column.type],
                    metadata={"unit": column.unit, "description": column.description},
                )
                for column in self.columns
            ],
            metadata={"table": self.name, "description": self.description},
        )

    def conform(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The frame with exactly these columns, in this order, of these types, its rows sorted."""
        missing = [name for name in self.column_names if name not in frame.columns]
        surplus = [name for name in frame.columns if name not in self.column_names]
        if missing or surplus:
            raise ValueError(
                f"table {self.name}: columns missing: {missing}; columns not in its schema: {surplus}; "
                "its columns are described in transfer_atlas/analysis, in the files called schema.py and *_schema.py"
            )
        frame = frame[self.column_names].astype({c.name: PANDAS_TYPES[c.type] for c in self.columns})
        frame = frame.sort_values(list(self.identity), kind="stable").reset_index(drop=True)
        twice = frame.duplicated(list(self.identity))
        if twice.any():
            row = frame.loc[twice, list(self.identity)].iloc[0].to_dict()
            raise ValueError(f"table {self.name}: more than one row for {row}")
        return frame
