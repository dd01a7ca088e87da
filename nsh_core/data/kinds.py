"""The kinds of data sets, imported when one is first asked for."""

from __future__ import annotations

from nsh_core.registry import DATASETS

register = DATASETS.register

register("digits", "nsh_core.data.digits:digits")
register("features", "nsh_core.data.features:features", "features:PATH")
register("arrays", "nsh_core.data.arrays:arrays_folder", "arrays:FOLDER")
register("cifar10", "nsh_core.data.cifar:cifar10", "cifar10, cifar10:59k")
register("cifar100", "nsh_core.data.cifar:cifar100")
register("fashion_mnist", "nsh_core.data.mnist:fashion_mnist", "fashion_mnist, fashion_mnist:cibhash")
register("mnist", "nsh_core.data.mnist:mnist", "mnist, mnist:cibhash")
register("stl10", "nsh_core.data.stl10:stl10")
register("nuswide", "nsh_core.data.sources:nuswide")
register("mscoco", "nsh_core.data.sources:mscoco")
register("imagefolder", "nsh_core.data.sources:image_folder", "imagefolder:DIR")
register("list", "nsh_core.data.sources:list_file", "list:FILE")


def usage() -> str:
    """How data sets are asked for, in words."""
    return f"{', '.join(DATASETS.usages())}, those of plug-ins, or the path of a feature file"
