"""PACTran: bounds on the error of a transferred model, from PAC-Bayesian theory."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.optimize
from scipy.special import digamma, gammaln, log_softmax, logsumexp

from transfer_atlas.transferability.arrays import (
    MetricInputError,
    UnconvergedError,
    UndefinedError,
    as_features,
    as_labels,
    double,
    one_hot,
    require_classes,
    to_numpy,
)
from transfer_atlas.transferability.leep import as_probabilities

ITERATIONS = 10  # of the variational distribution, as in the authors' code
SMALLEST = 1e-10  # probability that logarithms see at least
ENOUGH = 1e-5  # what is accepted where rounding ends the descent before
STEPS = 2000  # of L-BFGS, which needs some hundred
GRADIENT = 1e-8  # largest entry at the end


def pactran_dirichlet(probabilities: Any, labels: Any, *, alpha: float = 1.0) -> float:
    """PACTran with a Dirichlet prior (Ding et al. 2022, ECCV), negative. Higher is better.

    theta (n, S) the source head's probabilities, a_yz = alpha n_y / n the prior of p(y | z). Ten times from q = theta:

        A_yz = a_yz + sum_{i: y_i = y} q_iz;      q_iz ~ theta_iz exp( psi(A_{y_i z}) - psi(sum_y A_yz) )

    bound = -1/(n c) sum_z [ log C(a_z) - log C(A_z) - sum_i q_iz log(q_iz / theta_iz) ],
    C(a) = Gamma(sum a) / prod Gamma(a); the score is -bound. O(n S c).

    Raises MetricInputError for what `leep` refuses or an alpha that is not positive, UndefinedError for a single class.
    """
    theta, groups = as_probabilities(probabilities, labels)
    require_classes(groups, "PACTran")
    if not alpha > 0:
        raise MetricInputError(f"alpha is {alpha}; expected a positive number.")
    indicator = one_hot(groups.codes, groups.classes)
    prior = (alpha * groups.counts / len(theta) + SMALLEST)[:, None]
    logarithms, shares = np.log(theta + SMALLEST), theta
    for _ in range(ITERATIONS):
        mass = prior + indicator.T @ shares
        logits = logarithms + digamma(mass)[groups.codes] - digamma(mass.sum(axis=0))
        log_shares = logits - logsumexp(logits, axis=1, keepdims=True)
        shares = np.exp(log_shares)
    first = gammaln(prior.sum()) - gammaln(prior).sum()
    last = gammaln(mass.sum(axis=0)) - gammaln(mass).sum(axis=0)
    gain = (first - last - (shares * (log_shares - logarithms)).sum(axis=0)).sum()
    return float(gain / (len(theta) * groups.classes))


def pactran_gaussian(features: Any, labels: Any, *, strength: float = 1.0, variance: float = 1.0) -> float:
    """PACTran with a Gaussian prior (Ding et al. 2022, ECCV), negative. Higher is better.

    X (n, d) features less their mean; W (d, c) and b (c,) minimise

        R = 1/n sum_i -log softmax(x_i W + b)_{y_i} + |W|^2 / (2 l),        l = strength n

    and the bound adds what flatness costs, with the diagonal of the Hessian of R at the optimum, h_W (d, c) with its
    1/l and h_b (c,), and s = variance / d:

        bound = R + c d s / (2 l) log( l / (c d) (sum h_W + sum h_b) );      the score is -bound

    as in the authors' code (h there is summed over samples, not averaged; their H-score has centred the features in
    place before). They try strength 0.1, 1, 10 and variance 0.1, 1, 10. R is convex, so that the start does not matter;
    here it is 0, and the optimum is found to a gradient of 1e-8. O(n d c) per step, some hundred steps.

    Raises MetricInputError for shapes that do not fit or numbers that are not positive; UndefinedError for a single
    class or constant features; UnconvergedError.
    """
    matrix = as_features(features)
    groups = as_labels(labels, rows=matrix.shape[0])
    require_classes(groups, "PACTran")
    if not (strength > 0 and variance > 0):
        raise MetricInputError(f"strength is {strength} and variance {variance}; expected positive numbers.")
    values = to_numpy(double(matrix))
    values = values - values.mean(axis=0)
    if not values.any():
        raise UndefinedError("PACTran needs features that vary, but all samples are the same.")
    (n, d), c = values.shape, groups.classes
    indicator, scale = one_hot(groups.codes, c), strength * n

    def risk(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights, bias = flat[: d * c].reshape(d, c), flat[d * c :]
        logs = log_softmax(values @ weights + bias, axis=1)
        value = -logs[np.arange(n), groups.codes].mean() + (weights**2).sum() / (2 * scale)
        off = (np.exp(logs) - indicator) / n
        return value, np.concatenate([(values.T @ off + weights / scale).ravel(), off.sum(axis=0)])

    limits = {"maxiter": STEPS, "maxfun": 2 * STEPS, "ftol": 1e-14, "gtol": GRADIENT, "maxcor": 20}
    found = scipy.optimize.minimize(risk, np.zeros(d * c + c), jac=True, method="L-BFGS-B", options=limits)
    if np.abs(found.jac).max() > ENOUGH:
        raise UnconvergedError(
            f"PACTran's classifier on {n} samples in {d} dimensions was not found in {found.nit} steps (gradient "
            f"{np.abs(found.jac).max():.2g}). Scale the features to a variance of about 1."
        )
    shares = np.exp(log_softmax(values @ found.x[: d * c].reshape(d, c) + found.x[d * c :], axis=1))
    curvature = shares - shares**2
    bent = float(((values**2).T @ curvature).sum()) + d * c / scale + float(curvature.sum())
    flatness = c * d / (2 * scale) * (variance / d) * np.log(bent * scale / (c * d) + SMALLEST)
    return -float(found.fun + flatness)
