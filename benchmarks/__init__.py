"""Floor 4: label files, replay, comparison, figures, run folders and the command line."""

from .compare import compare
from .labels import LabelFileError, LabelSet, read_labels
from .replay import problem_of_labels, replay, replay_table

__all__ = ["LabelFileError", "LabelSet", "compare", "problem_of_labels", "read_labels", "replay", "replay_table"]
