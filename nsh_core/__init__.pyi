from nsh_core.config import Config, make_config
from nsh_core.data import Dataset, load_dataset
from nsh_core.errors import CodeCollapse, NotFinite, TrainingFailure, UserError
from nsh_core.hasher import Hasher
from nsh_core.plugins import load as load_plugins
from nsh_core.search import SearchIndex
from nsh_core.training import fit, fit_together, stack_key, stackable, step_seconds

__all__ = [
    "CodeCollapse",
    "Config",
    "Dataset",
    "Hasher",
    "NotFinite",
    "SearchIndex",
    "TrainingFailure",
    "UserError",
    "fit",
    "fit_together",
    "load_dataset",
    "load_plugins",
    "make_config",
    "stack_key",
    "stackable",
    "step_seconds",
]
