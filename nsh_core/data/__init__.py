"""Data sets by name: load_dataset("digits"), load_dataset("features:PATH.npz"), load_dataset("cifar10:59k")."""

from __future__ import annotations

from nsh_core.arguments import in_short
from nsh_core.data import cifar, mnist, sources, stl10
from nsh_core.data.arrays import arrays_folder, from_arrays
from nsh_core.data.dataset import Dataset, Split
from nsh_core.data.digits import Digits
from nsh_core.data.features import Features, read_features
from nsh_core.data.huggingface import from_huggingface
from nsh_core.data.images import Images
from nsh_core.data.names import one_name, with_kind
from nsh_core.data.places import locate
from nsh_core.data.torch_data import from_torch
from nsh_core.errors import UserError, naming
from nsh_core.registry import DATASETS

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

register = DATASETS.register

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


def usage() -> str:
    """How data sets are asked for, in words."""
    return f"{', '.join(DATASETS.usages())}, those of plug-ins, or the path of a feature file"


def _digits(argument: str) -> Dataset:
    if argument:
        raise UserError(f"dataset digits takes no argument, got {argument!r}")
    return Digits()


def _features(argument: str) -> Dataset:
    if not argument:
        raise UserError("dataset features wants a file: features:PATH.npz")
    return read_features(name=f"features:{argument}", path=locate(argument))


register("digits", _digits)
register("features", _features, "features:PATH")
register("arrays", arrays_folder, "arrays:FOLDER")
register("cifar10", cifar.cifar10, "cifar10, cifar10:59k")
register("cifar100", cifar.cifar100)
register("fashion_mnist", mnist.fashion_mnist, "fashion_mnist, fashion_mnist:cibhash")
register("mnist", mnist.mnist, "mnist, mnist:cibhash")
register("stl10", stl10.stl10)
register("nuswide", sources.nuswide)
register("mscoco", sources.mscoco)
register("imagefolder", sources.image_folder, "imagefolder:DIR")
register("list", sources.list_file, "list:FILE")
