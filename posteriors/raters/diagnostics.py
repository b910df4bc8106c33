"""Whether the chains of a sampled fit agree."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Diagnostics"]


@dataclass(frozen=True)
class Diagnostics:
    """Whether the chains of a fit agree.

    Attributes
    ----------
    rhat : float
        Largest rank-normalised split R-hat of all parameters (Vehtari et al. 2021), and whose it is.
    bulk, tail : float
        Smallest effective sample sizes, in the bulk and in the tails.
    divergences : int
        Draws whose trajectory diverged.
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
        """R-hat below 1.01, both effective sample sizes above 400, no divergence."""
        return self.rhat < 1.01 and min(self.bulk, self.tail) > 400 and not self.divergences

    def remark(self) -> str | None:
        """What is to be said of chains that have not converged; None of those that have.

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
