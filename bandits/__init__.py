"""Floor 3: policies, the simulator, and the ask/tell session."""

from .apt import APT
from .audit_index import AuditIndex
from .certify import Certificate, certify
from .diverse import DiverseBatch
from .exact import Exact
from .exploring import EpsilonAudit, SoftmaxAudit
from .gittins import Gittins
from .high_logratio import HighLogRatio
from .kg_star import KGStar
from .knowledge_gradient import KnowledgeGradient
from .lagrangian import Lagrangian
from .linear_gain import LinearGain
from .lookahead import Lookahead
from .lsa import LSA
from .minimum_coverage import MinimumCoverage
from .optimistic_kg import OptimisticKG
from .policy import IndexPolicy, JointPolicy, Policy
from .registry import make_policy, policy_names
from .risk_weighted import RiskWeighted
from .rollout import Rollout
from .round_robin import RoundRobin
from .session import BudgetSpent, Session
from .simulate import Simulation, simulate
from .thompson import Thompson
from .top_two import TopTwo
from .tree_search import TreeSearch
from .uncertainty import UncertaintySampling
from .uniform import Uniform
from .variance_reduction import VarianceReduction
from .whittle import Whittle

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
    "Thompson",
    "TopTwo",
    "TreeSearch",
    "UncertaintySampling",
    "Uniform",
    "VarianceReduction",
    "Whittle",
    "certify",
    "make_policy",
    "policy_names",
    "simulate",
]
