"""Floor 4: label files, replay, comparison, figures, run folders and the command line."""

from .compare import compare
from .curve import budget_curve, curve_table
from .labels import LabelFileError, LabelSet, read_labels
from .replay import problem_of_labels, replay, replay_table
from .structure_table import structure_table
from .survey import survey, survey_table

__all__ = [
    "LabelFileError",
    "LabelSet",
    "budget_curve",
    "compare",
    "curve_table",
    "problem_of_labels",
    "read_labels",
    "replay",
    "replay_table",
    "structure_table",
    "survey",
    "survey_table",
]
