from nsh_core.data.arrays import from_arrays
from nsh_core.data.dataset import Dataset, Split
from nsh_core.data.features import Features
from nsh_core.data.huggingface import from_huggingface
from nsh_core.data.images import Images
from nsh_core.data.kinds import register, usage
from nsh_core.data.loading import MADE, check_name, load_dataset
from nsh_core.data.names import one_name
from nsh_core.data.torch_data import from_torch

__all__ = [
    "MADE",
    "Dataset",
    "Features",
    "Images",
    "Split",
    "check_name",
    "from_arrays",
    "from_huggingface",
    "from_torch",
    "load_dataset",
    "one_name",
    "register",
    "usage",
]
