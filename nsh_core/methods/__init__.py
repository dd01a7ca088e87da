"""Hashing methods by name: NSH and those of the field that it is compared with."""

from __future__ import annotations

from typing import Any

from nsh_core.methods.base import INFORMATION, DeepMethod, Method, MethodOptions, Range, ShallowMethod
from nsh_core.methods.bihalf import BiHalf
from nsh_core.methods.cibhash import CIBHash
from nsh_core.methods.cimon import CIMON
from nsh_core.methods.classifier import Classifier
from nsh_core.methods.crovca import CroVCA
from nsh_core.methods.csq import CSQ
from nsh_core.methods.greedyhash import GreedyHash
from nsh_core.methods.itq import ITQ
from nsh_core.methods.lsh import LSH
from nsh_core.methods.nsh import NSH
from nsh_core.methods.pca_rotated import PCARotated
from nsh_core.methods.pca_sign import PCASign
from nsh_core.methods.sdc import SDC
from nsh_core.methods.simclr import SimCLR
from nsh_core.methods.spectral import SpectralHashing
from nsh_core.registry import METHODS, called, nearest

__all__ = ["DeepMethod", "Method", "MethodOptions", "Range", "ShallowMethod", "method", "names", "register"]

register = METHODS.register
names = METHODS.names


def _check(name: str, entry: Any) -> None:
    """Raises ValueError for what cannot be trained."""
    if not (isinstance(entry, type) and issubclass(entry, (DeepMethod, ShallowMethod))):
        raise ValueError(f"method {name!r} must be a subclass of DeepMethod or of ShallowMethod, got {called(entry)}")
    if not issubclass(entry.Options, MethodOptions):
        raise ValueError(f"method {name!r}: Options must be a subclass of MethodOptions, got {called(entry.Options)}")
    if entry.information not in INFORMATION:
        raise ValueError(
            f"method {name!r}: information must be one of {', '.join(INFORMATION)}, got {entry.information!r}"
            f"{nearest(str(entry.information), INFORMATION)}"
        )


METHODS.demand(_check)
register("nsh", NSH)
register("cibhash", CIBHash)
register("bihalf", BiHalf)
register("greedyhash", GreedyHash)
register("sdc", SDC)
register("crovca", CroVCA)
register("cimon", CIMON)
register("simclr", SimCLR)
register("lsh", LSH)
register("pca_sign", PCASign)
register("pca_rotated", PCARotated)
register("itq", ITQ)
register("spectral", SpectralHashing)
register("classifier", Classifier)
register("csq", CSQ)


def method(name: str) -> type[Method]:
    """The class behind a name.

    Args:
        name: One of names().

    Raises:
        UserError: There is none.
    """
    return METHODS[name]
