from nsh_core.metrics.ceiling import cosine_map
from nsh_core.metrics.fidelity import sorter_fidelity
from nsh_core.metrics.health import CodeHealth, code_health
from nsh_core.metrics.retrieval import RetrievalMetrics, mean_average_precision, nearest, retrieval_metrics

__all__ = [
    "CodeHealth",
    "RetrievalMetrics",
    "code_health",
    "cosine_map",
    "mean_average_precision",
    "nearest",
    "retrieval_metrics",
    "sorter_fidelity",
]
