"""A data set by its name."""

from __future__ import annotations

from nsh_core.arguments import in_short
from nsh_core.data.dataset import Dataset
from nsh_core.data.kinds import usage
from nsh_core.data.names import with_kind
from nsh_core.errors import UserError, naming
from nsh_core.registry import DATASETS

MADE = "nsh_core.data.from_arrays(...), from_torch(...) or from_huggingface(...) makes one of what is in memory"


def load_dataset(name: str) -> Dataset:
    """The data set of a name.

    Args:
        name: "kind", or "kind:ARGUMENT" for a kind that takes one; or the path of a feature file or a folder of arrays.

    Raises:
        UserError: It is unknown, its files do not fit, or what loads it fails.
    """
    kind, _, argument = with_kind(check_name(name)).partition(":")
    load = DATASETS[kind]
    with naming(f"dataset {kind!r}"):
        dataset = load(argument)
        if not isinstance(dataset, Dataset):
            raise UserError(f"dataset {kind!r} must give a nsh_core.data.Dataset, got {type(dataset).__name__}")
    dataset.loaded_as = name
    return dataset


def check_name(name: str) -> str:
    """The name of a data set, as it is.

    Args:
        name: As given.

    Raises:
        UserError: It is no text.
    """
    if not isinstance(name, str):
        raise UserError(f"a data set is asked for by its name, got {in_short(name)}, known: {usage()}; {MADE}")
    return name
