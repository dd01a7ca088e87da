"""Hashing methods by name: NSH and those of the field that it is compared with."""

from __future__ import annotations

from nsh_core.errors import UserError
from nsh_core.methods.base import DeepMethod, Method, MethodOptions, Range, ShallowMethod
from nsh_core.methods.bihalf import BiHalf
from nsh_core.methods.cibhash import CIBHash
from nsh_core.methods.greedyhash import GreedyHash
from nsh_core.methods.itq import ITQ
from nsh_core.methods.lsh import LSH
from nsh_core.methods.nsh import NSH
from nsh_core.methods.pca_sign import PCASign
from nsh_core.methods.sdc import SDC
from nsh_core.methods.simclr import SimCLR
from nsh_core.methods.spectral import SpectralHashing

__all__ = ["DeepMethod", "Method", "MethodOptions", "Range", "ShallowMethod", "method", "names", "register"]

_METHODS: dict[str, type[Method]] = {}


def register(name: str, kind: type[Method]) -> None:
    """Makes a method known by name, to configs and studies too. Raises ValueError if the name is taken."""
    if _METHODS.setdefault(name, kind) is not kind:
        raise ValueError(f"method {name!r} is already {_METHODS[name].__name__}")


def names() -> list[str]:
    """The registered methods."""
    return list(_METHODS)


def method(name: str) -> type[Method]:
    """The class behind a name. Raises UserError if there is none."""
    if name not in _METHODS:
        raise UserError(f"unknown method {name!r}, known: {', '.join(names())}")
    return _METHODS[name]


register("nsh", NSH)
register("cibhash", CIBHash)
register("bihalf", BiHalf)
register("greedyhash", GreedyHash)
register("sdc", SDC)
register("simclr", SimCLR)
register("lsh", LSH)
register("pca_sign", PCASign)
register("itq", ITQ)
register("spectral", SpectralHashing)
