"""Exact policy values: agreement with the plain recursion, the linear utility, refusals, and compile hygiene."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recursion import UTILITIES, Case, Item, Recursion, cases, problem_of, whole_priors

import seqaudit as sa
from seqaudit.dp import _kernels as dp_kernels
from seqaudit.posteriors import _kernels as posterior_kernels
from seqaudit.posteriors import tails

NAMES = (
    "uniform",
    "round-robin",
    "uncertainty",
    "high-logratio",
    "audit-index",
    "linear-gain",
    "kg",
    "optimistic-kg",
    "variance-reduction",
    "exact",
)
RULES = [(name, ties) for name in NAMES for ties in ("random", "first") if (name, ties) != ("uniform", "first")]
