"""Transferability metrics: predicting how well a source suits a target, without fine-tuning. Pure functions."""

from __future__ import annotations

from transfer_atlas.transferability.arrays import MetricInputError, UnconvergedError, UndefinedError
from transfer_atlas.transferability.combine import combine_parts
from transfer_atlas.transferability.dense_h_score import (
    DenseHScore,
    dense_h_score,
    dense_shrinkage_h_score,
)
from transfer_atlas.transferability.det_logme import DetLogme, det_logme
from transfer_atlas.transferability.domain_distance import class_mean_distance, domain_distance
from transfer_atlas.transferability.etran import etran_classification, etran_energy, etran_regression
from transfer_atlas.transferability.gbc import gbc
from transfer_atlas.transferability.h_score import h_score, shrinkage_h_score
from transfer_atlas.transferability.leep import leep, nce
from transfer_atlas.transferability.logme import logme, logme_regression
from transfer_atlas.transferability.moments import ClassMoments, class_moments
from transfer_atlas.transferability.n_leep import n_leep
from transfer_atlas.transferability.ncti import Ncti, ncti
from transfer_atlas.transferability.otce import Otce, otce
from transfer_atlas.transferability.otce_coefficients import (
    OtceCoefficients,
    fit_coefficients,
    leave_one_target_out,
)
from transfer_atlas.transferability.pactran import pactran_dirichlet, pactran_gaussian
from transfer_atlas.transferability.parc import parc
from transfer_atlas.transferability.sfda import sfda
from transfer_atlas.transferability.tmi import tmi
from transfer_atlas.transferability.transrate import transrate

__all__ = [
    "ClassMoments",
    "DenseHScore",
    "DetLogme",
    "MetricInputError",
    "Ncti",
    "Otce",
    "OtceCoefficients",
    "UnconvergedError",
    "UndefinedError",
    "class_mean_distance",
    "class_moments",
    "combine_parts",
    "dense_h_score",
    "dense_shrinkage_h_score",
    "det_logme",
    "domain_distance",
    "etran_classification",
    "etran_energy",
    "etran_regression",
    "fit_coefficients",
    "gbc",
    "h_score",
    "leave_one_target_out",
    "leep",
    "logme",
    "logme_regression",
    "n_leep",
    "nce",
    "ncti",
    "otce",
    "pactran_dirichlet",
    "pactran_gaussian",
    "parc",
    "sfda",
    "shrinkage_h_score",
    "tmi",
    "transrate",
]
