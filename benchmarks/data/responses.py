"""Reader of responses: prompts, responses, features, and the reference policy's probabilities."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...dp.machine.reading import Unreadable, read_input
from ...posteriors.foundation.arrays import Floats, Ints
from ...posteriors.foundation.kinds import WrongKind, checked
from ...posteriors.foundation.messages import shown
from ...posteriors.foundation.notebook import html_table
from ...posteriors.foundation.records import EqualByContents
from ...posteriors.foundation.refusals import number_of_text
from ...posteriors.votes.rows import NAME_RULE
from .csv_table import HEADER, LabelFileError, Table, Wanted, listed, nearest, read_table, table_of_frame

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Responses", "read_responses"]

_PROBABILITY = "probability"
# By how much the probabilities of a prompt may miss 1, and then be scaled.
_ROUNDED = 0.01


@dataclass(frozen=True, eq=False)
class Responses(EqualByContents):
    """Responses to prompts, whose comparisons can be bought.

    Attributes
    ----------
    prompt, response : tuple of str, of length k
        Prompt that each answers, and its own name, which no other of the prompt has.
    features : ndarray, shape (k, d)
    feature_names : tuple of str, of length d
    probability : ndarray, shape (k,)
        Probability of each under the reference policy, given its prompt; alike where the file says nothing.
    pairs : ndarray of int, shape (n, 2)
        All comparisons of two responses to one prompt.
    remarks : tuple of str
        What to know of how the file was read.
    """

    prompt: tuple[str, ...]
    response: tuple[str, ...]
    features: Floats
    feature_names: tuple[str, ...]
    probability: Floats
    pairs: Ints
    remarks: tuple[str, ...] = ()

    def __repr__(self) -> str:
        prompts = len(set(self.prompt))
        return (
            f"Responses({len(self.response)} to {prompts} prompts, {len(self.feature_names)} features, "
            f"{len(self.pairs)} comparisons)"
        )

    def _repr_html_(self) -> str:
        import pandas as pd

        columns = {"prompt": self.prompt, "response": self.response, _PROBABILITY: self.probability}
        more = dict(zip(self.feature_names, self.features.T, strict=True))
        return html_table(self.__repr__(), pd.DataFrame(columns | more))


@checked
def read_responses(
    source: str | os.PathLike[str] | pd.DataFrame,
    features: Sequence[str] | str | os.PathLike[str] | None = None,
) -> Responses:
    """Read responses whose comparisons can be bought.

    Parameters
    ----------
    source : str, path or DataFrame
        Table with the columns ``prompt`` and ``response`` and, if there is a reference policy, ``probability``: CSV or
        JSON Lines, plain or compressed, or Parquet.
    features : sequence of str, or path, optional
        Columns that are features, or an ``.npy`` file with a row for each response; default: all other columns.

    Returns
    -------
    Responses

    Raises
    ------
    LabelFileError
        For a file that cannot be used, with its lines.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = {"prompt": ["a", "a", "b", "b"], "response": ["1", "2", "1", "2"], "length": [3, 5, 2, 2.5]}
    >>> read_responses(pd.DataFrame(rows))
    Responses(4 to 2 prompts, 1 features, 2 comparisons)
    """
    array, names = _features_wanted(features)
    wanted = Wanted(("prompt", "response", *(names or ())), (_PROBABILITY,), rest=array is None and names is None)
    table = _table(source, wanted)
    prompt, response = table.columns["prompt"], table.columns["response"]
    for field in ("prompt", "response"):
        table.codes(field, lambda text: text if text.strip() else None, NAME_RULE)
    table.raise_faults()
    first: dict[tuple[str, str], int] = {}
    again = [k for k, x in enumerate(zip(prompt, response, strict=True)) if first.setdefault(x, k) != k]
    table.faults.add(
        np.array(again, dtype=np.int64),
        lambda k: (
            f"response {shown(response[k])} to prompt {shown(prompt[k])} has a row already",
            first[prompt[k], response[k]],
            "one row for each response",
        ),
    )
    remarks = [f"{table.path}: {x}" for x in table.remarks]
    if array is None:
        names = (
            names if names is not None else [x for x in table.columns if x not in ("prompt", "response", _PROBABILITY)]
        )
        if not names:
            raise table.fault(
                HEADER, f"no column has features; columns found: {listed(table.header)}; allowed: one feature or more"
            )
        columns = [_numbers(table, x) for x in names]
    chance = _numbers(table, _PROBABILITY, positive=True) if _PROBABILITY in table.columns else None
    table.raise_faults()
    if array is None:
        array = np.column_stack(columns)
    elif len(array) != len(prompt):
        raise LabelFileError(
            f"{features}: {len(array)} rows of features; allowed: {len(prompt)}, one for each row of {table.path}"
        )
    places: dict[str, list[int]] = {}
    for k, x in enumerate(prompt):
        places.setdefault(x, []).append(k)
    if chance is None:
        near = nearest([_PROBABILITY], table.header)
        remarks.append(
            f"{table.path}: no column {_PROBABILITY!r}{near}; all responses to a prompt are taken as equally likely"
        )
        chance = np.array([1.0 / len(places[x]) for x in prompt])
    else:
        chance = _scaled(table, chance, places)
    pairs = [pair for own in places.values() for pair in itertools.combinations(own, 2)]
    if not pairs:
        raise table.fault(HEADER, "no prompt has two responses; allowed: a comparison or more")
    alone = sum(len(own) == 1 for own in places.values())
    if alone:
        remarks.append(f"{table.path}: prompts with a single response, which cannot be compared: {alone}")
    named = tuple(names) if names is not None else tuple(f"x{k + 1}" for k in range(array.shape[1]))
    return Responses(
        tuple(prompt), tuple(response), array, named, chance, np.array(pairs, dtype=np.int64), tuple(remarks)
    )


def _features_wanted(features: Any) -> tuple[Floats | None, list[str] | None]:
    """Features of a file, or the names of their columns; neither for all other columns."""
    if features is None:
        return None, None
    if isinstance(features, os.PathLike) or (isinstance(features, str) and features.lower().endswith(".npy")):
        return _array(Path(features)), None
    names = features.split(",") if isinstance(features, str) else list(features)
    if not names or not all(isinstance(x, str) and x.strip() for x in names):
        raise WrongKind(f"features is {shown(features)}; it must be names of columns, or an .npy file")
    names = [x.strip() for x in names]
    for x in names:
        if x in ("prompt", "response", _PROBABILITY) or names.count(x) > 1:
            raise ValueError(
                f"features names {shown(x)}; it must name columns beside prompt, response and probability, each once"
            )
    return None, names


def _array(path: Path) -> Floats:
    import io

    try:
        # Objects would be code that runs as they are read.
        found = np.load(io.BytesIO(read_input(str(path))), allow_pickle=False)
    except FileNotFoundError:
        raise LabelFileError(f"{path}: there is no such file") from None
    except Unreadable as error:
        raise LabelFileError(f"{path}: {error}") from None
    except (ValueError, EOFError, OSError) as error:
        raise LabelFileError(f"{path}: it is no array of NumPy ({str(error).splitlines()[0]})") from None
    if not isinstance(found, np.ndarray) or found.ndim != 2 or found.dtype.kind not in "fiu":
        what = f"shape {found.shape} of {found.dtype}" if isinstance(found, np.ndarray) else "several arrays"
        raise LabelFileError(
            f"{path}: {what}; allowed: numbers with a row for each response and a column for each feature"
        )
    return np.asarray(found, dtype=np.float64)


def _table(source: Any, wanted: Wanted) -> Table:
    if not isinstance(source, (str, os.PathLike)):
        return table_of_frame(source, wanted)
    if not os.fspath(source).lower().endswith(".parquet"):
        return read_table(source, wanted)
    import io

    import pandas as pd

    try:
        frame = pd.read_parquet(io.BytesIO(read_input(os.fspath(source))))
    except FileNotFoundError:
        raise LabelFileError(f"{source}: there is no such file") from None
    except ImportError:
        raise ValueError(
            "Parquet needs pyarrow, which is not installed; install seqaudit with its extra: seqaudit[parquet]"
        ) from None
    except Unreadable as error:
        raise LabelFileError(f"{source}: {error}") from None
    except (ValueError, OSError) as error:
        raise LabelFileError(f"{source}: it is no Parquet file ({str(error).splitlines()[0]})") from None
    return table_of_frame(frame, wanted)


def _numbers(table: Table, column: str, *, positive: bool = False) -> Floats:
    def number(text: str) -> float | None:
        value = number_of_text(text)
        if value is None or not math.isfinite(value) or (positive and not 0.0 < value <= 1.0):
            return None
        return value

    allowed = "a number above 0 and at most 1" if positive else "a finite number; name the columns that are features"
    code, values = table.codes(column, number, allowed)
    return np.array([math.nan if x is None else x for x in values])[code]


def _scaled(table: Table, chance: Floats, places: dict[str, list[int]]) -> Floats:
    """Probabilities that sum to 1 over each prompt."""
    out = chance.copy()
    for prompt, own in places.items():
        total = float(chance[own].sum())
        if abs(total - 1.0) > _ROUNDED:
            raise table.fault(
                own[0], f"{_PROBABILITY} sums to {total:g} over prompt {shown(prompt)}; allowed: a sum of 1"
            )
        out[own] /= total
    return out
