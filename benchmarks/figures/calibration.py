"""Figures of calibration: ranks and posterior predictive checks by ArviZ, and reliability curves."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..calibration.sbc import uniformity
from ..runner.results import result_of
from .style import COLOURS, GREY, REFERENCE, SMALL_DPI, finish, legend_inside, new_figure, save

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

__all__ = ["plot_checks", "plot_ranks", "plot_reliability"]

_CAPTIONS = {
    "vote": "held-out vote is 1",
    "verdict": "held-out verdict, by replicated votes",
    "tail": "held-out verdict, by p",
    "gold": "known answer, by p",
}


def plot_ranks(result: xr.Dataset, path: str | Path, level: float = 0.01) -> None:
    """Plot the ECDF of each quantity's ranks minus the uniform one, with p-values (``az.plot_ecdf_pit``).

    Parameters
    ----------
    result : xarray.Dataset
        From ``sbc``.
    path : path
    level : float
        As for ``uniformity``; points that contribute to an alarm are marked.
    """
    import arviz as az
    import xarray as xr

    found = uniformity(result, level)
    names = [f"{name}: p {p:.2g}" for name, p in zip(found["quantity"], found["p_value"], strict=True)]
    ranks = {name: ("draw", result["pit"].values[:, k]) for k, name in enumerate(names)}
    tree = xr.DataTree.from_dict({"prior_sbc": xr.Dataset(ranks)})
    with warnings.catch_warnings():
        # ArviZ warns of p-values that it marks, and of layouts.
        warnings.simplefilter("ignore")
        shown = az.plot_ecdf_pit(
            tree,
            sample_dims="draw",
            envelope_prob=1 - level / len(names),
            visuals={"p_value_text": False},
            backend="matplotlib",
            figure_kwargs=_size(len(names), 4),
        )
        curves = [np.asarray(line.get_ydata(), dtype=np.float64) for axes in _axes(shown) for line in axes.get_lines()]
        highest = max(float(np.abs(y).max()) for y in curves if y.size)
        for axes in _axes(shown):
            axes.set_ylim(-1.1 * highest, 1.1 * highest)
        _save(shown, path)


def plot_checks(checks: dict[str, xr.DataTree], path: str | Path) -> None:
    """Plot replicated statistics, and those of the votes as points (``az.plot_ppc_tstat``), with a row for each model.

    Parameters
    ----------
    checks : dict of str to xarray.DataTree
        From ``predictive_checks``, by model.
    path : path
    """
    import arviz as az
    import xarray as xr

    groups: dict[str, dict[str, Any]] = {"posterior_predictive": {}, "observed_data": {}}
    for model, one in checks.items():
        for group, found in groups.items():
            values = one[group].dataset
            found |= {f"{name}\n{model}": values[name] for name in values.data_vars}
    # Two models may have different numbers of draws.
    least = min(int(x.sizes["draw"]) for x in groups["posterior_predictive"].values())
    replicated = {k: x.isel(draw=slice(least)) for k, x in groups["posterior_predictive"].items()}
    tree = {"posterior_predictive": xr.Dataset(replicated), "observed_data": xr.Dataset(groups["observed_data"])}
    columns = len(next(iter(checks.values()))["observed_data"].dataset)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shown = az.plot_ppc_tstat(
            xr.DataTree.from_dict(tree),
            t_stat="mean",
            kind="hist",
            backend="matplotlib",
            col_wrap=columns,
            figure_kwargs=_size(len(replicated), columns),
        )
        for axes in _axes(shown):
            # ArviZ names the statistic that it computed, here that of a single number.
            axes.set_title(axes.get_title().removesuffix(" (mean)"), fontsize=10)
        _save(shown, path)


def _size(panels: int, columns: int) -> dict[str, Any]:
    return {"figsize": (3.4 * min(columns, panels), 2.7 * -(-panels // columns) + 0.4), "layout": "constrained"}


def _axes(shown: Any) -> list[Axes]:
    return [axes for axes in shown.viz["figure"].item().axes if axes.get_title()]


def _save(shown: Any, path: str | Path) -> None:
    """Write an ArviZ figure, and remove it from matplotlib's list of open figures."""
    import matplotlib.pyplot as plt

    figure = shown.viz["figure"].item()
    save(figure, path, dpi=SMALL_DPI)
    plt.close(figure)


@result_of("reliability", "predicted", "observed", "observed_se")
def plot_reliability(result: xr.Dataset, path: str | Path, title: str = "") -> None:
    """Plot observed share against predicted probability, with two standard errors and a panel for each kind of event.

    Parameters
    ----------
    result : xarray.Dataset
        From ``reliability``.
    path : path
    title : str
    """
    kinds = [str(kind) for kind in result["kind"].values]
    figure = new_figure(4.6 * len(kinds), 4.8)
    panels = np.atleast_1d(figure.subplots(1, len(kinds)))
    for axes, kind in zip(panels, kinds, strict=True):
        axes.plot([0, 1], [0, 1], **REFERENCE | {"color": "black", "linestyle": ":"})
        for k, model in enumerate(result["model"].values):
            one = result.sel(model=model, kind=kind).dropna("bin", subset=["predicted"])
            axes.errorbar(
                one["predicted"],
                one["observed"],
                yerr=2 * one["observed_se"].fillna(0.0),
                color=GREY if k == 0 else COLOURS[(k - 1) % len(COLOURS)],
                marker="o",
                markersize=3.5,
                linewidth=1.4,
                elinewidth=0.8,
                label=str(model),
            )
        axes.set_xlabel("predicted chance")
        axes.set_ylabel("observed share")
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        finish(axes, _CAPTIONS[kind])
    legend_inside(panels[0])
    save(figure, path, title)
