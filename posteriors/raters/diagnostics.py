"""Convergence diagnostics of the chains of a sampled fit."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Diagnostics"]


@dataclass(frozen=True)
class Diagnostics:
    """Convergence diagnostics of the chains of a fit.

    Attributes
    ----------
    rhat : float
        Largest rank-normalised split R-hat of all parameters (Vehtari et al. 2021).
    bulk, tail : float
        Smallest effective sample sizes of all parameters, in the bulk and in the tails.
    divergences : int
        Number of draws whose trajectory diverged.
    worst : str
        Parameter with the largest R-hat.
    """

    rhat: float
    bulk: float
    tail: float
    divergences: int
    worst: str

    @property
    def converged(self) -> bool:
        """True if R-hat is below 1.01, both effective sample sizes are above 400 and no trajectory diverged."""
        return self.rhat < 1.01 and min(self.bulk, self.tail) > 400 and not self.divergences

    def remark(self) -> str | None:
        """Warning about chains that have not converged.

        Returns
        -------
        str or None
            None for chains that have converged.

        Examples
        --------
        >>> Diagnostics(1.0, 900.0, 700.0, 0, "mean").remark() is None
        True
        >>> Diagnostics(1.02, 900.0, 310.4, 2, "mean").remark().split("; ")[0]
        'the chains have not converged: R-hat 1.020 of mean, 310 effective draws, 2 divergences'
        """
        if self.converged:
            return None
        return (
            f"the chains have not converged: R-hat {self.rhat:.3f} of {self.worst}, {min(self.bulk, self.tail):.0f} "
            f"effective draws, {self.divergences} divergences; R-hat should be below 1.01, effective draws above 400, "
            "with no divergences: more draws after more tuning, or a higher target_accept, may help"
        )
