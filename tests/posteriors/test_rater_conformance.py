"""The suite accepts every model of raters, and each of its clauses catches a model that breaks it."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

import seqaudit as sa
from seqaudit.posteriors.conformance import rater_models as conformance

ALL = [
    *(sa.make_rater_model(name) for name in sa.rater_model_names()),
    sa.Contaminated(kinds=("inverted",)),
    sa.OneCoin(difficulty=True, answer_a=2.0, skill_scale=1.0),
    sa.DawidSkene(difficulty=True),
]


@pytest.mark.parametrize("case", sa.rater_model_cases(ALL))
def test_built_in_models_conform(case):
    case()


class Broken(sa.PartialPooling):
    """The models below are partial pooling, but for one thing."""

    name = "broken"


def test_what_the_broken_models_derive_from_conforms():
    sa.check_rater_model(Broken())
    sa.check_rater_model(Offsets())


class BadName(Broken):
    name = "Partial Pooling"


def in_a_function():
    class Local(Broken):
        pass

    return Local()


class TitleOfItsOwn(Broken):
    @property
    def title(self):
        return "pooling"


class AnyConstants(Broken):
    def __post_init__(self):
        pass


class SpareParameter(Broken):
    def draw(self, rng, design, given):
        return super().draw(rng, design, given) | {"spare": 1.0}


class OneRateForAll(Broken):
    def simulate(self, seed, design=None, *, parameters=None, rate=None):
        made = super().simulate(seed, design, parameters=parameters, rate=rate)
        return replace(made, truth=made.truth | {"rate": made.truth["rate"][:1]})


class OtherVotes(Broken):
    def simulate(self, seed, design=None, *, parameters=None, rate=None):
        made = super().simulate(seed, design, parameters=parameters, rate=rate)
        return replace(made, labels=sa.LabelSet.from_pools({"a": [1, 0]}))


class IgnoresSeed(Broken):
    def draw(self, rng, design, given):
        return super().draw(np.random.default_rng(), design, given)


class IgnoresWhatIsGiven(Broken):
    def draw(self, rng, design, given):
        return super().draw(rng, design, {})


class IgnoresRates(Broken):
    def draw(self, rng, design, given):
        return super().draw(rng, design, {} if set(given) == {"rate"} else given)


class ChancesAboveOne(Broken):
    def chances(self, parameters, design):
        return 1.5 * super().chances(parameters, design)


class VotesByOtherChances(Broken):
    def simulate(self, seed, design=None, *, parameters=None, rate=None):
        made = super().simulate(seed, design, parameters=parameters, rate=rate)
        flipped = np.random.default_rng(seed).random(made.labels.n_labels) < 0.1
        return replace(
            made, labels=replace(made.labels, labels=np.where(flipped, 1, made.labels.labels).astype(np.int8))
        )


class DoubleLogs(Broken):
    def log_likelihood(self, draws, design, label):
        return 2 * super().log_likelihood(draws, design, label)


class OppositeLogs(Broken):
    def log_likelihood(self, draws, design, label):
        return super().log_likelihood(draws, design, 1 - label)


class LogsOfItems(Broken):
    def log_likelihood(self, draws, design, label):
        return super().log_likelihood(draws, design, label)[:, : len(design.items)]


class Offsets(sa.RaterBias):
    """Raters with a bias, and what ``shift`` adds to the log-odds of a vote."""

    name = "offsets"

    def shift(self, design):
        return np.zeros(design.size)

    def chances(self, parameters, design):
        return expit(parameters["item_logit"][design.item] + parameters["offset"][design.rater] + self.shift(design))

    def log_likelihood(self, draws, design, label):
        z = draws["item_logit"][:, design.item] + draws["offset"][:, design.rater] + self.shift(design)
        return -np.logaddexp(0, (1 - 2 * label) * z)


class Tires(Offsets):
    def shift(self, design):
        return -0.1 * design.number


class FirstRaterIsSpecial(Offsets):
    def shift(self, design):
        return 0.5 * (design.rater == 0)


class NanDraws(Broken):
    def complete(self, draws, design, label, rng):
        found = super().complete(draws, design, label, rng)
        return found | {"rate": np.where(found["rate"] > 0.5, found["rate"], np.nan)}


class NoSize(Broken):
    def complete(self, draws, design, label, rng):
        found = super().complete(draws, design, label, rng)
        del found["a"]
        return found


class RatesAboveOne(Broken):
    def complete(self, draws, design, label, rng):
        found = super().complete(draws, design, label, rng)
        return found | {"rate": 1.1 * found["rate"]}


class FitsByChance(Broken):
    def approximate(self, design, label, rng, draws):
        return super().approximate(design, label, np.random.default_rng(), draws)


class ReadsNames(Broken):
    def approximate(self, design, label, rng, draws):
        return super().approximate(design, label, np.random.default_rng(len(design.items[0])), draws)


class TailsAboveOne(Broken):
    def conditional_tails(self, draws, design, label, threshold):
        return 2 * super().conditional_tails(draws, design, label, threshold)


class TailsOfTheOtherSide(Broken):
    def conditional_tails(self, draws, design, label, threshold):
        return 1 - super().conditional_tails(draws, design, label, threshold)


class LearnsTheOpposite(Broken):
    def conditional_tails(self, draws, design, label, threshold):
        return super().conditional_tails(draws, design, 1 - label, threshold)


class ChannelAboveOne(Broken):
    def channel(self, draws, rate):
        return 2 * rate


class ChannelFalls(Broken):
    def channel(self, draws, rate):
        return 1 - rate


class UniformBeliefs(Broken):
    def item_beliefs(self, draws, design, label, threshold, parts):
        return [sa.Beta(1, 1)] * len(design.items)


class FewBeliefs(Broken):
    def item_beliefs(self, draws, design, label, threshold, parts):
        return super().item_beliefs(draws, design, label, threshold, parts)[:-1]


class CoarseGrids(Broken):
    def item_beliefs(self, draws, design, label, threshold, parts):
        return sa.RaterModel.item_beliefs(self, draws, design, label, None, parts)


class Squared(sa.Beta):
    kind = "squared"

    def at(self, labels, wins, threshold):
        mean, tail, jump = super().at(labels, wins, threshold)
        return sa.BeliefTables(mean, tail**2, jump)

    def tables(self, n_max, threshold):
        return sa.Belief.tables(self, n_max, threshold)


class SquaredBeliefs(Broken):
    def item_beliefs(self, draws, design, label, threshold, parts):
        return [Squared(1, 1)] * len(design.items)


class SquaredNewItem(Broken):
    def new_item_belief(self, draws, rng, parts):
        return Squared(1, 1)


class OneNewRate(Broken):
    def new_rates(self, draws, rng):
        return super().new_rates(draws, rng)[:1]


class TakesAnyParameters(Broken):
    def require_parameters(self, parameters, design):
        try:
            return super().require_parameters(parameters, design)
        except ValueError:
            return {}


class TakesAnyVotes(Broken):
    def require(self, labels):
        pass


class Sampled(sa.RaterFit):
    rhat = 1.0

    def diagnostics(self):
        return sa.Diagnostics(self.rhat, 500.0, 500.0, 0, "size")


class SampledApart(Sampled):
    rhat = 1.5


class FakedSampler(Broken):
    """The fast fit to the opposite votes passes for that of the sampler."""

    made = Sampled

    def votes(self, labels):
        return replace(labels, labels=1 - labels.labels)

    def fit(self, labels, *, seed, method="nuts", draws=1000, **settings):
        if method != "nuts":
            return super().fit(labels, seed=seed, method=method, draws=draws)
        fast = super().fit(self.votes(labels), seed=seed, method="fast", draws=draws)
        return self.made(fast.model, fast.labels, fast.sampled, "nuts")


class FakedChains(FakedSampler):
    made = SampledApart

    def votes(self, labels):
        return labels


BROKEN = [
    ("name", BadName(), r"found 'Partial Pooling'; expected a class attribute name"),
    ("pickle", in_a_function(), r"; expected a class at the top of a module"),
    ("title", TitleOfItsOwn(), r"found 'pooling'; expected 'broken', alone or with constants"),
    ("constants", AnyConstants(), r"size_scale=0\.0: was accepted; expected a ValueError"),
    ("simulate", SpareParameter(), r"the truth has a, b, mean, rate, size, spare; expected the parameters of dims"),
    ("simulate", OneRateForAll(), r"rate of the truth has shape \(1,\); expected \(8,\)"),
    ("simulate", ChancesAboveOne(), r"raised ValueError: broken: a chance is 1\.\d+; it must be from 0 to 1"),
    ("simulate", OtherVotes(), r"items are not those of the design"),
    ("seed", IgnoresSeed(), r"two votes of the same seed differ"),
    ("parameters", IgnoresWhatIsGiven(), r"mean is .* was given; expected what was given"),
    ("rate", IgnoresRates(), r"none of rate is 0\.3 or its log-odds"),
    ("chances", VotesByOtherChances(), r"simulated votes less their chances average .*; expected 0, within 5 standard"),
    ("log-likelihood", DoubleLogs(), r"vote 0 is 0 or 1 with probability 0\.\d+; expected 1"),
    ("log-likelihood", OppositeLogs(), r"simulated votes less their probabilities average"),
    ("log-likelihood", LogsOfItems(), r"log_likelihood has shape \(1, 8\); expected \(draws, votes\) = \(1, 24\)"),
    ("vote-order", Tires(), r"votes of each item in reverse order: the chance of a vote is"),
    ("relabelling", FirstRaterIsSpecial(), r"items and raters in another order: the chance of a vote is"),
    ("fit", NanDraws(), r"raised ValueError: broken: a rate is nan; it must be from 0 to 1"),
    ("fit", NoSize(), r"sampled has no 'a', which broken has"),
    ("fit", RatesAboveOne(), r"raised ValueError: broken: a rate is 1\.\d+; it must be from 0 to 1"),
    ("fit-seed", FitsByChance(), r"draws of mean differ with the same seed"),
    ("fit-seed", ReadsNames(), r"draws of mean differ for other names of items and raters"),
    ("tail", TailsAboveOne(), r"a conditional tail is 1\.\d+; it must be from 0 to 1"),
    ("tail", TailsOfTheOtherSide(), r"the tail of item number 0 is .* at 0\.2 and .* at 0\.5; expected it not to rise"),
    ("votes", LearnsTheOpposite(), r"when all call it 0 and .* when all call it 1; expected it to rise"),
    ("channel", ChannelAboveOne(), r"channel of rate 0\.62 is 1\.24 under draw 0"),
    ("channel", ChannelFalls(), r"channel averages 0\.98 for rate 0\.02 and 0\.86 for 0\.14; expected it not to fall"),
    (
        "beliefs",
        UniformBeliefs(),
        r"the belief about item number \d has tail 0\.\d+; expected that of the draws, .* 0\.05",
    ),
    ("beliefs", FewBeliefs(), r"item_beliefs returns 7 beliefs for 8 items"),
    ("beliefs", CoarseGrids(), r"the belief about item number \d has tail .*, within 1e-09"),
    ("beliefs", SquaredBeliefs(), r"the belief about item number 0: tail: after 0 labels and 0 wins"),
    ("new-item", SquaredNewItem(), r"the belief about a new item: tail: after 0 labels and 0 wins"),
    ("new-item", OneNewRate(), r"new_rates have shape \(1,\); expected \(400,\)"),
    ("refusals", TakesAnyParameters(), r"a parameter that the model has not: was accepted; expected a ValueError"),
    ("refusals", TakesAnyVotes(), r"fit to an item without votes: was accepted; expected a ValueError"),
    ("nuts", FakedSampler(), r"by the sampler and 0\.\d+ by the fast method; expected less of a difference"),
    ("nuts", FakedChains(), r"R-hat of size is 1\.500; expected less than 1\.1"),
]
ALSO: dict[type, set[str]] = {}


@pytest.mark.parametrize(("clause", "model", "says"), BROKEN, ids=[f"{c}-{type(m).__name__}" for c, m, _ in BROKEN])
def test_broken_model_is_caught_by_its_clause(clause, model, says):
    with pytest.raises(sa.ConformanceError) as caught:
        sa.check_rater_model(model, nuts=clause == "nuts")
    faults = dict(fault.split(": ", 1) for fault in caught.value.faults)
    assert re.search(says, faults.pop(clause)), caught.value
    assert set(faults) == ALSO.get(type(model), set()), caught.value
    assert str(caught.value).count("\n") == len(faults)


def test_every_documented_clause_is_shown_to_fail():
    documented = re.findall(r"^([a-z-]+)  +\S", conformance.__doc__, flags=re.MULTILINE)
    assert documented == list(dict.fromkeys(clause for clause, _, _ in BROKEN))
    assert documented == [case.clause for case in sa.rater_model_cases([Broken()], nuts=True)]


@pytest.mark.parametrize("model", [sa.RaterBias, "rater-bias", None])
def test_only_an_instance_can_be_tried(model):
    with pytest.raises(sa.ConformanceError, match=r"expected an instance of a subclass of seqaudit\.RaterModel"):
        sa.check_rater_model(model)


def test_sampler_of_a_model_that_conforms_agrees():
    (case,) = (case for case in sa.rater_model_cases([Broken()], nuts=True) if case.clause == "nuts")
    case()
