"""Floor 3: policies, the simulator, and the ask/tell session."""

from . import built_in as built_in
from .conformance.policies import check_policy, policy_cases
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
from .policy import IndexPolicy, JointPolicy, Policy
from .registry import make_policy, policy_names
from .sessions.session import BudgetSpent, Session
from .simulation.certify import Certificate, certify
from .simulation.simulate import Simulation, simulate
from .wrappers.diverse import DiverseBatch
from .wrappers.exploring import EpsilonAudit, SoftmaxAudit
from .wrappers.minimum_coverage import MinimumCoverage
from .wrappers.risk_weighted import RiskWeighted
from .wrappers.stop_when import StopWhen

__all__ = [
    "APT",
    "LSA",
    "AuditIndex",
    "BudgetSpent",
    "Certificate",
    "DiverseBatch",
    "EpsilonAudit",
    "Exact",
    "Gittins",
    "HighLogRatio",
    "IndexPolicy",
    "JointPolicy",
    "KGStar",
    "KnowledgeGradient",
    "Lagrangian",
    "LinearGain",
    "Lookahead",
    "MinimumCoverage",
    "OptimisticKG",
    "Policy",
    "RiskWeighted",
    "Rollout",
    "RoundRobin",
    "Session",
    "Simulation",
    "SoftmaxAudit",
    "StopWhen",
    "Thompson",
    "TopTwo",
    "TreeSearch",
    "UncertaintySampling",
    "Uniform",
    "VarianceReduction",
    "Whittle",
    "certify",
    "check_policy",
    "make_policy",
    "policy_cases",
    "policy_names",
    "simulate",
]
