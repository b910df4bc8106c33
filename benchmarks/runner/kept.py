"""Results stored in files: read if the file exists, else computed and written, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...dp.machine.files import write_whole
from ...posteriors.raters.fit import RaterFit
from ...posteriors.raters.model import RaterModel
from ...posteriors.votes.label_set import LabelSet

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["DATASETS", "JSON", "Format", "Parts", "fits", "kept", "kept_fit"]


@dataclass(frozen=True)
class Format[Result]:
    """File format of a kind of result.

    Attributes
    ----------
    suffix : str
        Ending of file names.
    load : callable
        Function that reads a result from a path.
    store : callable
        Function that writes a result to a path.
    """

    suffix: str
    load: Callable[[Path], Result]
    store: Callable[[Result, Path], object]

    def read(self, path: Path) -> Result:
        """Read a file.

        Raises
        ------
        ValueError
            For a file that cannot be read as this format, with its name.
        """
        try:
            return self.load(path)
        except (ValueError, KeyError, OSError) as error:
            found = " ".join(str(error).split())
            raise ValueError(f"{path} is damaged ({found}); remove it, and it is computed again") from None

    def write(self, path: Path, result: Result) -> Path:
        """Write a file, whole or not at all."""
        return write_whole(path, partial(self.store, result))


@dataclass(frozen=True)
class Parts[Result]:
    """Parts of a run, see ``RunFolder.parts``.

    Attributes
    ----------
    finished : dict
        Parts that were finished already, by name.
    keep : callable
        Function that writes a part, given its name and its result.
    """

    finished: dict[str, Result]
    keep: Callable[[str, Result], None]


def kept[Result](path: Path, form: Format[Result], compute: Callable[[], Result]) -> Result:
    """Read a result if its file exists; else compute it and write the file."""
    if path.exists():
        return form.read(path)
    found = compute()
    form.write(path, found)
    return found


def _load_dataset(path: Path) -> xr.Dataset:
    import xarray as xr

    return xr.load_dataset(path, engine="h5netcdf")


def _store_dataset(data: xr.Dataset | xr.DataTree, path: Path) -> None:
    data.to_netcdf(path, engine="h5netcdf")


def _load_object(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _store_object(found: Any, path: Path) -> None:
    path.write_text(json.dumps(found), encoding="utf-8")


DATASETS: Format[xr.Dataset] = Format(".nc", _load_dataset, _store_dataset)
JSON: Format[Any] = Format(".json", _load_object, _store_object)


def fits(model: RaterModel, labels: LabelSet) -> Format[RaterFit]:
    """Format of fits of a model to votes: NetCDF files of their ``data``."""

    def load(path: Path) -> RaterFit:
        import xarray as xr

        data = xr.load_datatree(path, engine="h5netcdf")
        return RaterFit(model, labels, data, str(data.attrs["method"]))

    return Format(".nc", load, lambda fit, path: _store_dataset(fit.data, path))


def kept_fit(path: Path, model: RaterModel, labels: LabelSet, **settings: Any) -> RaterFit:
    """Fit by ``RaterModel.fit`` with these settings, stored in a NetCDF file; see ``kept``."""
    return kept(path, fits(model, labels), lambda: model.fit(labels, **settings))
