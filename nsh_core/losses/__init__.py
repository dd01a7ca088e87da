"""The terms of the loss."""

from nsh_core.losses.anchor import nt_xent
from nsh_core.losses.objective import Objective, active_terms, agreeing_bits
from nsh_core.losses.regularizers import bit_balance, quantization
from nsh_core.losses.sorted_nce import sorted_nce

__all__ = ["Objective", "active_terms", "agreeing_bits", "bit_balance", "nt_xent", "quantization", "sorted_nce"]
