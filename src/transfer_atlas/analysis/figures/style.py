"""What the figures share: the gain colours, the order of domains, and saving with deterministic bytes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, FuncNorm, LinearSegmentedColormap
from matplotlib.figure import Figure

# The order of Table 3a of Mensink et al.; domains a user adds come after these, by name.
DOMAIN_ORDER = ("aerial", "consumer", "driving", "indoor", "underwater", "close_ups", "synthetic")
TASK_TYPE_ORDER = ("segmentation", "depth", "normals", "detection", "keypoints", "classification")
COLOUR_LIMIT = 50.0  # percent; larger gains get the colour of the limit, so one cell cannot pale the rest
INK, FAINT_INK = "#222222", "#767676"
# Purple for loss and green for gain as in the paper. Purple goes much darker than green, so that the two
# do not become the same grey when printed without colour.
GAIN_COLOURS = (
    (0.00, "#2d0a45"),
    (0.20, "#673589"),
    (0.36, "#bfa5d2"),
    (0.46, "#efe8f3"),
    (0.50, "#ffffff"),
    (0.54, "#ebf6e6"),
    (0.64, "#bce4b1"),
    (0.80, "#8ed285"),
    (1.00, "#54b55c"),
)
METRIC_WORDS = {  # of the names of transferability metrics, as their authors write them
    "etran": "ETran",
    "gbc": "GBC",
    "leep": "LEEP",
    "logme": "LogME",
    "nce": "NCE",
    "ncti": "NCTI",
    "otce": "OTCE",
    "pactran": "PACTran",
    "parc": "PARC",
    "sfda": "SFDA",
    "tmi": "TMI",
    "transrate": "TransRate",
}
EFFECT_COLOURS = {
    "negative": "#673589",
    "insignificant": "#e3e3e3",
    "positive": "#bce4b1",
    "very_positive": "#54b55c",
}


def gain_colour_map() -> Colormap:
    """Purple, white, green; negative is darker than positive of the same size."""
    return LinearSegmentedColormap.from_list("gain", GAIN_COLOURS, N=512)


def luminance(colour: tuple[float, ...]) -> float:
    """Relative luminance of an sRGB colour, 0 (black) to 1 (white), with the weights of Rec. 709."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def gain_norm(limit: float = COLOUR_LIMIT) -> FuncNorm:
    """Gain in percent to [0, 1]: linear between the thresholds of the effects, -limit, -10, -2, 2, 10, limit.

    A scale linear over the whole range would show every gain below 10 as white, where most gains are.
    """
    gains = np.array([-limit, -10.0, -2.0, 2.0, 10.0, limit])
    colours = np.array([0.0, 0.34, 0.47, 0.53, 0.66, 1.0])
    return FuncNorm(
        (lambda gain: np.interp(gain, gains, colours), lambda colour: np.interp(colour, colours, gains)),
        vmin=-limit,
        vmax=limit,
        clip=True,
    )


def signed(number: float, decimals: int = 0) -> str:
    """A number with a true minus sign, and no minus before a zero."""
    text = f"{abs(number):.{decimals}f}"
    return ("\N{MINUS SIGN}" if number < 0 and float(text) != 0 else "") + text


def image_count(count: float) -> str:
    """A number of images as printed in the paper's tables: 367, 1.5K, 18K, 1.2M."""
    for size, letter in ((1e6, "M"), (1e3, "K")):
        if count >= 0.9995 * size:  # 999 900 is printed 1M, not 1000K
            scaled = count / size
            return f"{scaled:.1f}".removesuffix(".0") + letter if scaled < 9.95 else f"{scaled:.0f}{letter}"
    return f"{count:.0f}"


def in_words(name: str) -> str:
    """A name of the vocabulary as a reader writes it: `mean_iou` as mean IoU, `close_ups` as close-ups."""
    written = {"iou": "IoU", "map": "mAP", "ap": "AP", "ap50": "AP50", "oks": "OKS", "rmse": "RMSE"}
    written |= {"coco": "COCO", "voc": "VOC"}
    if name == "close_ups":
        return "close-ups"
    return " ".join(written.get(word, word) for word in name.split("_"))


def metric_in_words(name: str) -> str:
    """A transferability metric as its authors write it: `n_leep` as N-LEEP, `source_size` as source size."""
    name = name.replace("n_leep", "N-LEEP").replace("h_score", "H-score").replace("det_logme", "Det-LogME")
    return " ".join(METRIC_WORDS.get(word, word) for word in name.split("_"))


def seeds_in_words(n_seeds: Iterable[int]) -> str:
    """Numbers of seeds as a title says them: `one seed`, `3 seeds`, `1 to 3 seeds`."""
    numbers = sorted({int(number) for number in n_seeds if number})
    if not numbers:
        return "no finished seed"
    if len(numbers) > 1:
        return f"{numbers[0]} to {numbers[-1]} seeds"
    return "one seed" if numbers[0] == 1 else f"{numbers[0]} seeds"


def ordered(names: Iterable[str], order: tuple[str, ...]) -> list[str]:
    """Names in a fixed order, those it does not know after them, by name."""
    rank = {name: position for position, name in enumerate(order)}
    return sorted(set(names), key=lambda name: (rank.get(name, len(order)), name))


def new_figure(width: float, height: float) -> Figure:
    """A figure in inches that no global state of matplotlib knows of, so that functions stay pure."""
    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, *paths: Path | str) -> None:
    """Save as PNG (200 dots per inch) or SVG by suffix; the bytes depend on the figure only."""
    for path in map(Path, paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        metadata = {".svg": {"Date": None, "Creator": None}, ".png": {"Software": None}}[path.suffix]
        with mpl.rc_context({"svg.hashsalt": "transfer_atlas"}):
            figure.savefig(path, dpi=200, metadata=metadata)
