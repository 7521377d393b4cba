"""OTCE as a linear combination of its two differences, fitted on transfers whose performance is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from transfer_atlas.transferability.arrays import MetricInputError

FEWEST = 3  # transfers for three coefficients


@dataclass(frozen=True)
class OtceCoefficients:
    """OTCE = domain W_D + task W_T + intercept (Tan et al. 2021, equation 8)."""

    domain: float
    task: float
    intercept: float

    def score(self, domain_difference: np.ndarray, task_difference: np.ndarray) -> np.ndarray:
        """OTCE scores of transfers (n,); higher is better."""
        return self.domain * domain_difference + self.task * task_difference + self.intercept


def fit_coefficients(
    domain_difference: np.ndarray, task_difference: np.ndarray, performance: np.ndarray
) -> OtceCoefficients:
    """Least squares of performance (n,) on W_D (n,) and W_T (n,) with an intercept, of auxiliary transfers.

    A difference that is the same for all of them gets the coefficient 0. O(n). Raises MetricInputError for fewer
    than three transfers, or numbers that are not finite.
    """
    table = np.column_stack([domain_difference, task_difference, performance]).astype(np.float64)
    if len(table) < FEWEST:
        raise MetricInputError(
            f"{len(table)} auxiliary transfers; OTCE's three coefficients need at least {FEWEST}."
        )
    if not np.isfinite(table).all():
        raise MetricInputError(
            "auxiliary transfers hold numbers that are not finite; leave failed transfers out."
        )
    mean, deviation = table.mean(axis=0), table.std(axis=0)
    varied = deviation[:2] > 1e-12 * np.maximum(1, np.abs(mean[:2]))
    scale = np.where(varied, deviation[:2], 1)  # the two differ by orders of magnitude
    standard = np.where(varied, (table[:, :2] - mean[:2]) / scale, 0)
    weights = np.linalg.lstsq(standard, table[:, 2] - mean[2], rcond=1e-10)[0] / scale
    return OtceCoefficients(float(weights[0]), float(weights[1]), float(mean[2] - weights @ mean[:2]))


def leave_one_target_out(transfers: pd.DataFrame) -> pd.DataFrame:
    """OTCE scores of each target's transfers by coefficients fitted on those of all other targets.

    Parameters
    ----------
    transfers
        One row per transfer with the columns target, domain_difference, task_difference, performance. Rows without a
        performance get a score but are not fitted on.

    Returns
    -------
    The same rows with the columns score, domain_coefficient, task_coefficient, intercept, and fitted_on (transfers).

    Raises
    ------
    MetricInputError
        For missing columns, or where the other targets have fewer than three transfers.
    """
    needed = ["target", "domain_difference", "task_difference", "performance"]
    if missing := [name for name in needed if name not in transfers]:
        raise MetricInputError(
            f"the transfers lack the columns {', '.join(missing)}; found {list(transfers)}."
        )
    known = transfers.dropna(subset=["performance", "domain_difference", "task_difference"])
    parts = []
    for target, rows in transfers.groupby("target", sort=False):
        others = known[known["target"] != target]
        if len(others) < FEWEST:
            raise MetricInputError(
                f"OTCE's coefficients for {target} need {FEWEST} transfers to other targets; found {len(others)}."
            )
        found = fit_coefficients(*(others[name].to_numpy() for name in needed[1:]))
        score = found.score(rows["domain_difference"].to_numpy(), rows["task_difference"].to_numpy())
        parts.append(
            rows.assign(
                score=score,
                domain_coefficient=found.domain,
                task_coefficient=found.task,
                intercept=found.intercept,
                fitted_on=len(others),
            )
        )
    return pd.concat(parts).loc[transfers.index] if parts else transfers.assign(score=[])
