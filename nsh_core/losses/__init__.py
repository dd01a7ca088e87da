"""The terms of the losses."""

from nsh_core.losses.anchor import nt_xent
from nsh_core.losses.coding_rate import coding_rate
from nsh_core.losses.hamming import agreeing_bits
from nsh_core.losses.masked_nce import masked_nce
from nsh_core.losses.pairs import feature_cosines, paired_cosines
from nsh_core.losses.products import products
from nsh_core.losses.regularizers import bit_balance, quantization
from nsh_core.losses.sorted_nce import sorted_nce
from nsh_core.losses.without_sorting import listwise, pairwise

__all__ = [
    "agreeing_bits",
    "bit_balance",
    "coding_rate",
    "feature_cosines",
    "listwise",
    "masked_nce",
    "nt_xent",
    "paired_cosines",
    "pairwise",
    "products",
    "quantization",
    "sorted_nce",
]
