"""Floor 3: policies, the simulator, and the ask/tell session."""

from .apt import APT
from .audit_index import AuditIndex
from .certify import Certificate, certify
from .diverse import DiverseBatch
from .exact import Exact
from .gittins import Gittins
from .high_logratio import HighLogRatio
from .kg_star import KGStar
from .knowledge_gradient import KnowledgeGradient
from .lagrangian import Lagrangian
from .linear_gain import LinearGain
from .lsa import LSA
from .minimum_coverage import MinimumCoverage
from .optimistic_kg import OptimisticKG
from .policy import IndexPolicy, JointPolicy, Policy
from .registry import make_policy, policy_names
from .risk_weighted import RiskWeighted
from .round_robin import RoundRobin
from .session import BudgetSpent, Session
from .simulate import Simulation, simulate
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
    "Exact",
    "Gittins",
    "HighLogRatio",
    "IndexPolicy",
    "JointPolicy",
    "KGStar",
    "KnowledgeGradient",
    "Lagrangian",
    "LinearGain",
    "MinimumCoverage",
    "OptimisticKG",
    "Policy",
    "RiskWeighted",
    "RoundRobin",
    "Session",
    "Simulation",
    "UncertaintySampling",
    "Uniform",
    "VarianceReduction",
    "Whittle",
    "certify",
    "make_policy",
    "policy_names",
    "simulate",
]
