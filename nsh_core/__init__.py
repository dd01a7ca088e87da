"""One training run of unsupervised deep hashing with differentiable sorting (NSH, Yu et al., IJCAI 2022).

What is here, and where it comes from, stands in __init__.pyi.
"""

from nsh_core.face import lazy

__getattr__, __dir__, __all__ = lazy(__name__, __file__)
