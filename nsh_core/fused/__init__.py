"""Sorting and SortedNCE compiled for the CPU, from codes and latents to the loss and its gradients in one pass."""

from nsh_core.fused.network_sort import sort_by_network
from nsh_core.fused.rank_kernel import carry_to_ranks
from nsh_core.fused.sorted_nce import sorted_nce_of_codes

__all__ = ["carry_to_ranks", "sort_by_network", "sorted_nce_of_codes"]
