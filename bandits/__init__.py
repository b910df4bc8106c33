"""Floor 3: policies, the simulator, and the ask/tell session."""

from .audit_index import AuditIndex
from .exact import Exact
from .high_logratio import HighLogRatio
from .knowledge_gradient import KnowledgeGradient
from .linear_gain import LinearGain
from .optimistic_kg import OptimisticKG
from .policy import IndexPolicy, Policy
from .registry import make_policy, policy_names
from .round_robin import RoundRobin
from .session import BudgetSpent, Session
from .simulate import Simulation, simulate
from .uncertainty import UncertaintySampling
from .uniform import Uniform
from .variance_reduction import VarianceReduction

__all__ = [
    "AuditIndex",
    "BudgetSpent",
    "Exact",
    "HighLogRatio",
    "IndexPolicy",
    "KnowledgeGradient",
    "LinearGain",
    "OptimisticKG",
    "Policy",
    "RoundRobin",
    "Session",
    "Simulation",
    "UncertaintySampling",
    "Uniform",
    "VarianceReduction",
    "make_policy",
    "policy_names",
    "simulate",
]
