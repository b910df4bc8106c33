"""Contaminated: a minority of the raters is dishonest.

    item_mean ~ Normal(0, mean_sd^2),  item_sd ~ HalfNormal(item_sd_scale),
    x_i ~ Normal(item_mean, item_sd^2),  rate_i = sigma(x_i),
    share = half / 2,  half ~ Beta(share_a, share_b),
    kind_share ~ Dirichlet(concentration, ...)  over the dishonest kinds of the model,
    script_i ~ Normal(0, 1),  g_i = sigma(script_scale script_i),

and each rater is independently honest with chance 1 - share, or of dishonest kind k with chance share kind_share_k.
On item i a rater says 1 with chance

    honest: rate_i,   random: 1/2,   inverted: 1 - rate_i,   colluding: g_i.

Colluders follow a common script; ``script_scale`` is large, so that the script says 0 or 1 of most items. The kinds are
summed out: with u_k the prior weight of kind k and p_k(y) the chance of a vote under it, the votes of rater j have
likelihood sum_k u_k prod_v p_k(y_v). The posterior probability of the kind is

    kind_chance_jk = u_k prod_v p_k(y_v) / sum_l u_l prod_v p_l(y_v),

and the chance of a vote given the same rater's other votes is 1 / sum_k (kind_chance_jk / p_k(y_v)).

**Several modes.** Votes alone do not identify the honest bloc: exchanging honest and inverted raters, and x with -x,
leaves the likelihood unchanged. Because share < 1/2, the prior favours the larger bloc as the honest one; for two blocs
of almost equal size the posterior rightly gives weight to both interpretations. A single colluder cannot be
distinguished from a rater who answers at random, because a script that no other rater follows is a coin. So with
colluders the votes have one interpretation for each set of raters that may follow the script. These interpretations are
modes of the script that the No-U-Turn sampler does not leave. Its chains start from the majority's interpretation. If
they still disagree (R-hat far above 1.01, tens of units of log-density between modes), neither more draws nor the fast
method, which sums out the scripts and the rates but is a single chain, is sure to find the largest mode. The largest
mode may also be wrong: this model has no skills, and if honest raters differ in skill, the most skilled agree more than
the rest and may be classified as colluders. The remedy is to omit the script, ``Contaminated(kinds=("random",
"inverted"))``, for which chains agree, and to trust a finding of colluders only if all chains, and the fast method
under several seeds, find the same ones.

The fast method (``fast.contaminated_chain``) is a Markov chain over the kinds of the raters and the four
hyperparameters.

A fresh rater says 1 of an item of rate alpha and unknown script with chance

    (1 - share) alpha + share (kind_share_random / 2 + kind_share_inverted (1 - alpha) + kind_share_colluding / 2),

which is increasing in alpha because share < 1/2.

Sources: A. P. Dawid and A. M. Skene (1979) for raters' errors as latent classes; V. C. Raykar and S. Yu (2012) for
spammers among raters, those whose answers do not depend on the item; random and inverted raters are two of the kinds
of Q. Liu, J. Peng and A. Ihler (2012).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import scipy
from numpy.typing import NDArray

from ..foundation.arrays import Floats, Ints
from ..foundation.frozen import check_fields
from ..foundation.messages import shown
from ..kernels import contaminated as kernels
from ..votes.design import Design
from .constants import scale, shape
from .dims import dims_of
from .fast.contaminated_chain import arrays_of, sample_kinds
from .model import Draws, Parameters, RaterModel
from .noncentred import normal_effects

if TYPE_CHECKING:
    import pymc as pm

__all__ = ["Contaminated"]

_DISHONEST = ("random", "inverted", "colluding")
_DIMS = dims_of(
    "share kind_share[dishonest] item_mean item_sd item_logit[item] script[item] kind[rater] "
    "kind_chance[rater,kinds] rate[item]"
)


@dataclass(frozen=True)
class Contaminated(RaterModel):
    """Honest raters, and a minority who answer at random, invert the answer, or follow a common script.

    Parameters
    ----------
    kinds : sequence of {"random", "inverted", "colluding"}
        Dishonest kinds of the model; at least one.
    mean_sd : float
        Standard deviation of the prior of the mean of the items' log-odds.
    item_sd_scale : float
        Scale of the half-Normal prior of the standard deviation of the items' log-odds.
    share_a, share_b : float
        Parameters of the Beta prior of twice the share of dishonest raters. By default the share is .125 on average
        and below .32 with probability 95 %.
    concentration : float
        Parameter of the symmetric Dirichlet prior of the kinds' shares among the dishonest raters.
    script_scale : float
        Standard deviation of the script's log-odds.

    Raises
    ------
    ValueError
        For an empty or unknown list of kinds, and for constants that are not positive and finite.

    References
    ----------
    V. C. Raykar and S. Yu (2012), "Eliminating spammers and ranking annotators for crowdsourced labeling tasks",
    Journal of Machine Learning Research 13.

    Examples
    --------
    >>> from seqaudit import Contaminated, Design
    >>> model = Contaminated(kinds=("random",))
    >>> found = model.simulate(7, Design.balanced(60, 12, 8), parameters={"share": 0.3, "item_sd": 3.0})
    >>> fit = model.fit(found.labels, method="fast", seed=7)
    >>> suspected = fit.draws["kind_chance"].mean(axis=0)[:, 1] > 0.5
    >>> found.truth["kind"], suspected.astype(int)
    (array([0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0]), array([0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0]))
    """

    kinds: Sequence[str] = _DISHONEST
    mean_sd: float = 1.5
    item_sd_scale: float = 1.5
    share_a: float = 1.0
    share_b: float = 3.0
    concentration: float = 1.0
    script_scale: float = 2.5
    name: ClassVar[str] = "contaminated"
    fast_is_independent: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if isinstance(self.kinds, str) or not isinstance(self.kinds, Sequence) or not self.kinds:
            raise ValueError(f"kinds is {shown(self.kinds)}; it must list at least one of {', '.join(_DISHONEST)}")
        for kind in self.kinds:
            if kind not in _DISHONEST:
                raise ValueError(f"kinds has {shown(kind)}; allowed: {', '.join(_DISHONEST)}")
        # A fixed order of the kinds, so that models with the same kinds compare equal.
        object.__setattr__(self, "kinds", tuple(kind for kind in _DISHONEST if kind in self.kinds))
        check_fields(self, scale, "mean_sd", "item_sd_scale")
        # A script need leave no doubt.
        check_fields(self, partial(scale, most=1e4), "script_scale")
        check_fields(self, shape, "share_a", "share_b", "concentration")

    @property
    def dims(self) -> dict[str, tuple[str, ...]]:  # type: ignore[override]
        """Dimensions of each parameter; only colluding raters have a script."""
        return {name: dims for name, dims in _DIMS.items() if name != "script" or "colluding" in self.kinds}

    def coords(self, design: Design) -> dict[str, Any]:
        """Coordinates of all dimensions; the first kind is the honest one."""
        return super().coords(design) | {"dishonest": list(self.kinds), "kinds": ["honest", *self.kinds]}

    def limits(self, name: str) -> tuple[float, float] | None:
        """Limits as in all models; dishonest raters are a minority, and kinds are numbered."""
        ends = {"share": (0.0, 0.5), "kind": (0.0, float(len(self.kinds)))}
        return ends.get(name) or super().limits(name)

    def draw(self, rng: np.random.Generator, design: Design, given: Parameters) -> Parameters:
        """Parameters drawn from the prior; ``kind`` is 0 for honest raters, and ``kind_chance`` is its indicator."""
        items, raters = len(design.items), len(design.raters)
        if "kind_chance" in given and "kind" not in given:
            raise ValueError("kind_chance is given without kind, which determines it; give kind")
        if "kind_share" in given and not np.isclose(np.sum(given["kind_share"]), 1.0, rtol=0.0, atol=1e-9):
            raise ValueError(f"kind_share sums to {np.sum(given['kind_share']):g}; it must sum to 1")
        share = given.get("share", rng.beta(self.share_a, self.share_b) / 2)
        kind_share = np.asarray(given.get("kind_share", rng.dirichlet([self.concentration] * len(self.kinds))))
        mean = given.get("item_mean", rng.normal(0.0, self.mean_sd))
        sd = given.get("item_sd", abs(rng.normal(0.0, self.item_sd_scale)))
        x = given.get("item_logit", rng.normal(mean, sd, items))
        if "rate" in given:
            x = scipy.special.logit(given["rate"])
        rate = given.get("rate", scipy.special.expit(x))
        script = given.get("script", rng.normal(size=items))
        kind = np.asarray(given.get("kind", rng.choice(len(self.kinds) + 1, raters, p=_weights(share, kind_share))))
        found = {"share": share, "kind_share": kind_share, "item_mean": mean, "item_sd": sd, "item_logit": x}
        scripts = {"script": script} if "colluding" in self.kinds else {}
        return found | scripts | {"kind": kind, "kind_chance": np.eye(len(self.kinds) + 1)[kind], "rate": rate}

    def chances(self, parameters: Parameters, design: Design) -> Floats:
        """Chance of 1 of each vote, from the kind of its rater and the rate of its item."""
        rate = np.asarray(parameters["rate"])
        script = scipy.special.expit(self.script_scale * np.asarray(parameters.get("script", np.zeros_like(rate))))
        says = {"random": np.full_like(rate, 0.5), "inverted": 1.0 - rate, "colluding": script}
        table = np.stack([rate, *(says[kind] for kind in self.kinds)])
        return np.asarray(table[np.asarray(parameters["kind"])[design.rater], design.item])

    def build(self, design: Design, label: Ints) -> pm.Model:
        """PyMC model with the likelihood of each rater's votes, summed over kinds."""
        import pymc as pm
        import pytensor.tensor as pt

        raters = len(design.raters)
        votes = np.bincount(design.item, minlength=len(design.items))
        with pm.Model(coords=self.coords(design)) as model:
            label_data = pm.Data("label", self.data(design, label)["label"])
            side = 2.0 * label_data - 1.0
            # Chains start where the larger bloc is honest; at rates of 1/2 all blocs would look alike. The start is
            # computed from the votes in the model's data, which may be replaced after it is built.
            wins = pt.zeros(len(design.items))[design.item].inc(label_data)
            about = pt.log((wins + 1.0) / (votes - wins + 1.0))
            share = pm.Uniform("share", 0.0, 0.5, initval=0.1)
            half = pm.Beta.dist(self.share_a, self.share_b)
            pm.Potential("share_prior", pm.logp(half, 2.0 * share))
            mean = pm.Normal("item_mean", 0.0, self.mean_sd, initval=about.mean())
            sd = pm.HalfNormal("item_sd", self.item_sd_scale)
            x = normal_effects("item_logit", mean, sd, len(design.items), design.size, start=about)

            def of_raters(term: Any) -> Any:
                return pt.zeros(raters)[design.rater].inc(term)

            towards = side * x[design.item]
            tosses = np.bincount(design.rater, minlength=raters)
            terms = {"inverted": of_raters(-pt.softplus(towards)), "random": -np.log(2.0) * tosses}
            if "colluding" in self.kinds:
                script = pm.Normal("script", dims="item")
                terms["colluding"] = of_raters(-pt.softplus(-side * (self.script_scale * script)[design.item]))
            if len(self.kinds) > 1:
                kind_share = pm.Dirichlet("kind_share", np.full(len(self.kinds), self.concentration), dims="dishonest")
            else:
                kind_share = pt.ones(1)

            total = pt.log1p(-share) + of_raters(-pt.softplus(-towards))
            for k, kind in enumerate(self.kinds):
                # Exponentials are summed in pairs: stacked arrays take far longer to compile.
                total += pt.softplus(pt.log(share * kind_share[k]) + terms[kind] - total)
            pm.Potential("votes", total.sum())
        return model

    def complete(self, draws: Draws, design: Design, label: Ints, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
        """Rates, and chances and draws of the raters' kinds."""
        chance = self._kind_chances(draws, design, label)
        kind = (rng.random(chance.shape[:2])[..., None] > chance.cumsum(axis=2)[..., :-1]).sum(axis=2)
        alone = {"kind_share": np.ones((len(chance), 1))} if len(self.kinds) == 1 else {}
        return alone | {"kind": kind, "kind_chance": chance, "rate": scipy.special.expit(draws["item_logit"])}

    def approximate(self, design: Design, label: Ints, rng: np.random.Generator, draws: int) -> dict[str, NDArray[Any]]:
        """Draws of a Markov chain over the raters' kinds, and of rates and scripts given these."""
        return sample_kinds(
            design,
            label,
            rng,
            draws,
            kinds=self.kinds,
            scales=(self.mean_sd, self.item_sd_scale, self.script_scale),
            share=(self.share_a, self.share_b),
            concentration=self.concentration,
        )

    def log_likelihood(self, draws: Draws, design: Design, label: Ints) -> Floats:
        """Log-probability of each vote given the same rater's other votes."""
        chance = self._kind_chances(draws, design, label)
        out = np.empty((len(chance), design.size))
        rater, item = design.rater, design.item
        # Draw by draw: arrays over draws, votes and kinds would exceed memory for large data.
        for s, logs in enumerate(self._log_chances(draws)):
            # On the log scale, because the inverse of a script's chance of 1 may overflow.
            with np.errstate(divide="ignore"):
                out[s] = -scipy.special.logsumexp(np.log(chance[s][rater]) - logs[:, label, item].T, axis=1)
        return out

    def channel(self, draws: Draws, rate: Floats) -> Floats:
        """Chance of 1 averaged over the kinds; an unknown script says 1 with chance 1/2."""
        shape = (-1,) + (1,) * (rate.ndim - 1)
        share = draws["share"].reshape(shape)
        inverted = np.zeros_like(share)
        if "inverted" in self.kinds:
            inverted = draws["kind_share"][:, self.kinds.index("inverted")].reshape(shape)
        return np.asarray((1.0 - share) * rate + share * (inverted * (1.0 - rate) + (1.0 - inverted) / 2))

    def new_rates(self, draws: Draws, rng: np.random.Generator) -> Floats:
        """Rates drawn from the common distribution."""
        return np.asarray(scipy.special.expit(rng.normal(draws["item_mean"], draws["item_sd"])))

    def _log_chances(self, draws: Draws) -> Iterator[Floats]:
        """Log-chances of votes under each draw, shape (K, 2, N): kinds of rater, labels, items."""
        coin = np.full((2, draws["item_logit"].shape[1]), -np.log(2.0))
        for s, x in enumerate(draws["item_logit"]):
            honest = np.stack([scipy.special.log_expit(-x), scipy.special.log_expit(x)])
            says = {"random": coin, "inverted": honest[::-1]}
            if "colluding" in self.kinds:
                script = self.script_scale * draws["script"][s]
                says["colluding"] = np.stack([scipy.special.log_expit(-script), scipy.special.log_expit(script)])
            yield np.stack([honest, *(says[kind] for kind in self.kinds)])

    def _kind_chances(self, draws: Draws, design: Design, label: Ints) -> Floats:
        """P(kind | draw, votes) of each rater, shape (S, J, K)."""
        x = np.array(draws["item_logit"], dtype=np.float64, order="C")
        script = np.array(draws["script"], order="C") * self.script_scale if "colluding" in self.kinds else x
        share = draws["share"]
        kind_share = draws["kind_share"] if "kind_share" in draws else np.ones((len(share), 1))
        with np.errstate(divide="ignore"):
            logs = np.log(_weights(share[:, None], kind_share))
        codes = np.array([0, *(1 + _DISHONEST.index(kind) for kind in self.kinds)])
        out = np.repeat(logs[:, None, :], len(design.raters), axis=1)
        kernels.kind_chances(x, script, codes, *arrays_of(design, label), out)
        return out


def _weights(share: Any, kind_share: Floats) -> Floats:
    """Weights of all kinds, along the last axis, the honest one first."""
    dishonest = share * kind_share
    honest = np.broadcast_to(1.0 - np.asarray(share), (*dishonest.shape[:-1], 1))
    return np.concatenate([honest, dishonest], axis=-1)
