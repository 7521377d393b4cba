"""AT/DT's results as a page: tables in the shape of the paper's Tables 1 and 2, with what it prints beneath.

Tables 3 and 4 stand beneath as well where CycleGAN was asked for.
"""

from __future__ import annotations

import html
from pathlib import Path

import pandas as pd

from transfer_atlas.analysis.atdt.tables import DEPTH, NORMALS

TITLES = {
    "baseline": "Baseline",
    "atdt": "AT/DT",
    "oracle": "Oracle",
    "no_transfer": "No Transfer",
    "cyclegan": "CycleGAN",
    "atdt_cyclegan": "AT/DT + CycleGAN",
}
PRINTED = {  # names of the paper's columns
    "absolute_relative": "Abs Rel",
    "squared_relative": "Sq Rel",
    "rmse": "RMSE",
    "rmse_log": "RMSE log",
    "delta_1": "delta_1",
    "delta_2": "delta_2",
    "delta_3": "delta_3",
    "mean_iou": "mIoU",
    "pixel_accuracy": "Acc",
    "mean_angular_error": "mean, degrees",
    "median_angular_error": "median",
    "below_11_25": "below 11.25",
    "below_22_5": "below 22.5",
    "below_30": "below 30",
}
PUBLISHED = {
    ("depth_to_segmentation", "b"): "atdt_table1.csv",
    ("segmentation_to_depth", "b"): "atdt_table2.csv",
    ("depth_to_segmentation", "a"): "atdt_supp_table1.csv",
    ("segmentation_to_depth", "a"): "atdt_supp_table2.csv",
}
WITH_CYCLEGAN = {"depth_to_segmentation": "atdt_table3.csv", "segmentation_to_depth": "atdt_table4.csv"}
STYLE = (
    "body{font-family:sans-serif;font-size:13px} table{border-collapse:collapse;margin-bottom:1.5em} "
    "td,th{padding:2px 8px;text-align:right;border-bottom:1px solid #ddd} th{background:#f4f4f4} "
    "tr.printed td{color:#777} .interval{color:#777;font-size:11px}"
)


INTRODUCTION = (
    "Mean over seeds with its 95 % interval; IoU and accuracy in percent. Grey rows are what the paper prints for its "
    "own datasets, which ours cannot be compared with digit by digit."
)


def write_page(results: pd.DataFrame, findings: pd.DataFrame, published: Path, path: Path) -> None:
    """Write the page. published: folder of the papers' printed tables."""
    parts = [f"<!DOCTYPE html><meta charset='utf-8'><title>AT/DT</title><style>{STYLE}</style>"]
    parts.append(f"<h1>Learning across tasks and domains</h1><p>{INTRODUCTION}</p>")
    for heading, table in sections(results, findings, published):
        parts += [f"<h2>{html.escape(heading)}</h2>", table]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(parts) + "\n", encoding="utf-8")


def sections(results: pd.DataFrame, findings: pd.DataFrame, published: Path) -> list[tuple[str, str]]:
    """Headings and tables, as HTML: of each direction on B and on A, then the findings."""
    found = []
    for direction in sorted(set(results["direction"])):
        for on, where in (("b", "on domain B"), ("a", "on the training domain A")):
            chosen = results[(results["direction"] == direction) & (results["evaluated_on"] == on)]
            if chosen.empty:
                continue
            rows = pd.DataFrame()
            if (direction, on) in PUBLISHED:
                rows = printed_rows(published / PUBLISHED[direction, on])
                if on == "b" and chosen["method"].str.contains("cyclegan").any():
                    rows = pd.concat([rows, _with_cyclegan(published / WITH_CYCLEGAN[direction])])
            table = shaped(chosen, rows)
            found.append((f"{direction.replace('_', ' ').capitalize()}, {where}", table))
    told = findings[["part", "statistic", "value", "low", "high", "count", "verdict", "why"]]
    told = told.astype(object).where(told.notna(), "")
    return [*found, ("Findings", told.to_html(index=False, border=0, float_format="{:.4g}".format))]


def shaped(results: pd.DataFrame, printed: pd.DataFrame) -> str:
    """One table in the paper's shape, as HTML. printed: rows A, B, method by columns of metrics."""
    numbers = next((own for own in (DEPTH, NORMALS) if results["metric"].isin(own).all()), None)
    of_depth = numbers is not None
    if numbers is not None:
        columns = [PRINTED[name] for name in numbers]
    else:
        classes = list(dict.fromkeys(results.loc[results["metric"] == "iou", "class"]))
        order = [name for name in printed.columns if name in classes]
        columns = [*order, *[name for name in classes if name not in order], "mIoU", "Acc"]
    head = "".join(f"<th>{html.escape(name)}</th>" for name in ("A", "B", "Method", *columns))
    lines = [f"<table><tr>{head}</tr>"]
    variants = results[["a", "b", "method", "level", "n1", "batch_norm"]].drop_duplicates()
    for variant in variants.itertuples(index=False):
        own = results
        for name, value in variant._asdict().items():
            own = own[own[name].isna()] if pd.isna(value) else own[own[name] == value]
        cells = {
            (PRINTED.get(row.metric) or row[10]): _cell(row, of_depth) for row in own.itertuples(index=False)
        }
        lines.append(_line([variant.a, variant.b, _method(variant)], columns, cells, ""))
    for names, row in printed.iterrows():
        cells = {
            name: f"{value:.3f}" if of_depth else f"{value:.2f}"
            for name, value in row.items()
            if pd.notna(value)
        }
        lines.append(_line([str(name) for name in names], columns, cells, " class='printed'"))
    return "\n".join([*lines, "</table>"])


def printed_rows(path: Path) -> pd.DataFrame:
    """A printed table with metrics as columns, by A, B and method; empty where there is no such file."""
    if not path.is_file():
        return pd.DataFrame()
    found = pd.read_csv(path)
    for name in ("A", "B"):
        found[name] = found[name].fillna("") if name in found else ""
    order = list(dict.fromkeys(found["metric"]))
    keys = ["A", "B", "method"]
    wide = found.pivot_table(index=keys, columns="metric", values="value", sort=False)
    return wide[order]


def _with_cyclegan(path: Path) -> pd.DataFrame:
    """The rows of Table 3 or 4 that Tables 1 and 2 do not have; both are of Carla and Cityscapes."""
    found = printed_rows(path)
    if found.empty:
        return found
    found = found[["CycleGAN" in names[2] for names in found.index]]
    found.index = pd.MultiIndex.from_tuples([("Carla", "Cityscapes", names[2]) for names in found.index])
    return found


def _method(variant: tuple) -> str:
    name = TITLES[variant.method]
    told = [] if pd.isna(variant.level) or variant.level == 4 else [f"level {variant.level}"]
    if not pd.isna(variant.n1) and variant.n1 != "shared":
        told.append(f"N1 {variant.n1.replace('_', ' ')}")
    if not variant.batch_norm:
        told.append("no batch norm")
    return name + (f" ({', '.join(told)})" if told else "")


def _cell(row: tuple, of_depth: bool) -> str:
    if pd.isna(row.mean):
        return "failed"
    scale, digits = (1, 3) if of_depth else (100, 2)
    text = f"{scale * row.mean:.{digits}f}"
    if pd.notna(row.low):
        text += f"<div class='interval'>{scale * row.low:.{digits}f} to {scale * row.high:.{digits}f}</div>"
    return text


def _line(names: list[str], columns: list[str], cells: dict[str, str], kind: str) -> str:
    told = "".join(f"<td>{html.escape(name)}</td>" for name in names)
    return f"<tr{kind}>{told}" + "".join(f"<td>{cells.get(name, '')}</td>" for name in columns) + "</tr>"
