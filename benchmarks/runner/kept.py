"""Formats of the results that a run keeps, in memory: results as bytes, and bytes as results.

Libraries that write files themselves end the process, or leave half a file, when the disk is full: here none does.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...posteriors.raters.fit import RaterFit
from ...posteriors.raters.model import RaterModel
from ...posteriors.votes.label_set import LabelSet

if TYPE_CHECKING:
    import xarray as xr

    from .folder import RunFolder

__all__ = ["DATASETS", "JSON", "Format", "Parts", "fits", "kept_fit"]


@dataclass(frozen=True)
class Format[Result]:
    """Format of a kind of result.

    Attributes
    ----------
    suffix : str
        Ending of the names of files in this format.
    load : callable
        Function that makes a result of bytes.
    store : callable
        Function that makes the bytes of a result.
    """

    suffix: str
    load: Callable[[bytes], Result]
    store: Callable[[Result], bytes]


@dataclass(frozen=True)
class Parts[Result]:
    """Parts of a run, see ``RunFolder.parts``.

    Attributes
    ----------
    finished : dict
        Parts that were finished already, by name.
    keep : callable
        Function that stores a part, given its name and its result.
    """

    finished: dict[str, Result]
    keep: Callable[[str, Result], None]


def _load_dataset(content: bytes) -> xr.Dataset:
    import xarray as xr

    return xr.load_dataset(io.BytesIO(content), engine="h5netcdf")


def _store_dataset(data: xr.Dataset | xr.DataTree) -> bytes:
    return bytes(data.to_netcdf(None, engine="h5netcdf"))


DATASETS: Format[xr.Dataset] = Format(".nc", _load_dataset, _store_dataset)
JSON: Format[Any] = Format(".json", json.loads, lambda found: json.dumps(found).encode())


def fits(model: RaterModel, labels: LabelSet) -> Format[RaterFit]:
    """Format of fits of a model to votes: NetCDF of their ``data``."""

    def load(content: bytes) -> RaterFit:
        import xarray as xr

        data = xr.load_datatree(io.BytesIO(content), engine="h5netcdf")
        return RaterFit(model, labels, data, str(data.attrs["method"]))

    return Format(".nc", load, lambda fit: _store_dataset(fit.data))


def kept_fit(folder: RunFolder, name: str, model: RaterModel, labels: LabelSet, **settings: Any) -> RaterFit:
    """Fit by ``RaterModel.fit`` with these settings, kept in a run folder under a name; see ``RunFolder.kept``."""
    return folder.kept(name, fits(model, labels), lambda: model.fit(labels, **settings))
