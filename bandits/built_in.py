"""The built-in policies, in the order in which they are listed."""

from __future__ import annotations

from .planning.lookahead import Lookahead
from .planning.rollout import Rollout
from .planning.tree_search import TreeSearch
from .policies.apt import APT
from .policies.audit_index import AuditIndex
from .policies.exact import Exact
from .policies.gittins import Gittins
from .policies.high_logratio import HighLogRatio
from .policies.kg_star import KGStar
from .policies.knowledge_gradient import KnowledgeGradient
from .policies.lagrangian import Lagrangian
from .policies.linear_gain import LinearGain
from .policies.lsa import LSA
from .policies.optimistic_kg import OptimisticKG
from .policies.round_robin import RoundRobin
from .policies.thompson import Thompson
from .policies.top_two import TopTwo
from .policies.uncertainty import UncertaintySampling
from .policies.uniform import Uniform
from .policies.variance_reduction import VarianceReduction
from .policies.whittle import Whittle
from .policy import Policy
from .registry import POLICIES
from .wrappers.exploring import EpsilonAudit, SoftmaxAudit
from .wrappers.stop_when import StopWhen

__all__ = ["BUILT_IN"]

BUILT_IN: tuple[type[Policy], ...] = (
    Uniform,
    RoundRobin,
    UncertaintySampling,
    HighLogRatio,
    AuditIndex,
    LinearGain,
    KnowledgeGradient,
    OptimisticKG,
    VarianceReduction,
    KGStar,
    Gittins,
    Whittle,
    Lagrangian,
    APT,
    LSA,
    Thompson,
    TopTwo,
    EpsilonAudit,
    SoftmaxAudit,
    Lookahead,
    Rollout,
    TreeSearch,
    Exact,
)
POLICIES.add_built_in(BUILT_IN)
# Where stopping cannot matter, it is its base, so studies of all policies would show that twice.
POLICIES.add_built_in([StopWhen], usual=False)
