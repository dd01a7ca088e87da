"""Retrieval metrics, code health and sorter fidelity. What is here stands in __init__.pyi."""

from nsh_core.face import lazy

__getattr__, __dir__, __all__ = lazy(__name__, __file__)
