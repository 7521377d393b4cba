"""Which found objects are right: overlaps, and the rules of COCO and Pascal VOC by which finds claim objects.

Both rules look at the finds of one image and class, highest score first. They differ in what is neither right nor
wrong: COCO forgives a find whose own area lies mostly in a crowd, however large the crowd; VOC one that overlaps a
`difficult` object as well as it would have to overlap any other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

THRESHOLD = 0.5
RIGHT, WRONG, FORGIVEN = 1, 0, -1
# Of the devkit of VOC 2007, and COCO's, at which the precision is read
ELEVEN, HUNDRED_AND_ONE = np.linspace(0, 1, 11), np.linspace(0, 1, 101)


def box_overlaps(found: np.ndarray, annotated: np.ndarray, crowd: np.ndarray | None = None) -> np.ndarray:
    """Intersection over union (T, N) of boxes (T, 4) and (N, 4), x_min, y_min, x_max, y_max.

    crowd (N,) bool: of these the intersection over the found box's own area, as COCO has it.
    """
    low = np.maximum(found[:, None, :2], annotated[None, :, :2])
    high = np.minimum(found[:, None, 2:], annotated[None, :, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=2, dtype=np.float64)
    own, other = (
        np.prod(np.clip(b[:, 2:] - b[:, :2], 0, None), axis=1, dtype=np.float64) for b in (found, annotated)
    )
    whole = own[:, None] + other[None] - common
    if crowd is not None:
        whole = np.where(crowd[None], own[:, None], whole)
    return np.divide(common, whole, out=np.zeros_like(common), where=whole > 0)


def keypoint_similarities(
    found: np.ndarray, annotated: np.ndarray, boxes: np.ndarray, area: np.ndarray, sigmas: Sequence[float]
) -> np.ndarray:
    """OKS (T, N) of keypoints (T, K, 2) and (N, K, 3), whose third is above 0 where annotated (COCO's evaluation).

    boxes (N, 4), area (N,): of the annotated objects. Of an object without any annotated keypoint it is how near the
    found ones are to twice its box.
    """
    similarity = np.zeros((len(found), len(annotated)))
    variance = (2 * np.asarray(sigmas, np.float64)) ** 2
    for number, points in enumerate(annotated):
        seen = points[:, 2] > 0
        if seen.any():
            distance = found[:, seen].astype(np.float64) - points[None, seen, :2]
            spread = variance[seen]
        else:
            low, high = boxes[number, :2], boxes[number, 2:]
            low, high = low - (high - low), high + (high - low)
            distance = np.maximum(0, low - found) + np.maximum(0, found - high)
            spread = variance
        exponent = (distance**2).sum(axis=2) / spread / (area[number] + np.spacing(1)) / 2
        similarity[:, number] = np.exp(-exponent).mean(axis=1)
    return similarity


def match_coco(similarity: np.ndarray, ignored: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """RIGHT, WRONG or FORGIVEN (T,) of finds, highest score first, by COCO's rule at 0.5.

    similarity (T, N). Each find claims the most similar object that is not claimed yet; only where there is none, an
    `ignored` one. A crowd can be claimed by many.
    """
    verdicts = np.full(len(similarity), WRONG, np.int8)
    free = np.ones(similarity.shape[1], bool)
    for number, row in enumerate(similarity):
        for among, verdict in ((~ignored, RIGHT), (ignored, FORGIVEN)):
            places = np.flatnonzero(among & (free | crowd) & (row >= THRESHOLD))
            if len(places):
                best = places[len(places) - 1 - np.argmax(row[places][::-1])]  # of equals the last, as there
                verdicts[number], free[best] = verdict, False
                break
    return verdicts


def match_voc(overlaps: np.ndarray, difficult: np.ndarray) -> np.ndarray:
    """RIGHT, WRONG or FORGIVEN (T,) of finds, highest score first, by the rule of VOC's devkit.

    overlaps (T, N). Each find is compared with the object it overlaps most, claimed or not: right if that is the
    first find of it, forgiven if it is difficult, else wrong.
    """
    verdicts = np.full(len(overlaps), WRONG, np.int8)
    if not overlaps.shape[1]:
        return verdicts
    claimed: set[int] = set()
    for number, best in enumerate(overlaps.argmax(axis=1).tolist()):
        if overlaps[number, best] < THRESHOLD:
            continue
        if difficult[best]:
            verdicts[number] = FORGIVEN
        elif best not in claimed:
            verdicts[number] = RIGHT
            claimed.add(best)
    return verdicts


def average_precisions(scores: np.ndarray, verdicts: np.ndarray, objects: int) -> dict[str, float]:
    """Average precision of one class by three readings of one curve of precision over recall.

    area: under the curve made monotonous (VOC since 2010); eleven_points: mean precision at the recalls 0, 0.1 to 1
    (VOC 2007); coco: at 101 recalls. scores, verdicts (T,) of all images; objects: how many there are to be found.
    """
    order = np.argsort(-scores, kind="stable")
    counted = verdicts[order][verdicts[order] != FORGIVEN] == RIGHT
    right = np.cumsum(counted)
    recall = right / objects
    precision = right / np.arange(1, len(right) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]

    def at(recalls: np.ndarray) -> float:
        places = np.searchsorted(recall, recalls, side="left")
        return float(np.append(precision, 0.0)[places].mean())

    return {
        "area": float((np.diff(recall, prepend=0.0) * precision).sum()),
        "eleven_points": at(ELEVEN),
        "coco": at(HUNDRED_AND_ONE),
    }
