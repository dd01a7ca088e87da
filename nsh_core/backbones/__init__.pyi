from nsh_core.backbones.base import Backbone
from nsh_core.backbones.building import (
    build_backbone,
    check_model_of,
    check_weights,
    dim_of_features,
    trained_backbone,
    weights_version,
)
from nsh_core.backbones.kinds import register
from nsh_core.backbones.names import kind_of
from nsh_core.backbones.trained import TrainedBackbone

__all__ = [
    "Backbone",
    "TrainedBackbone",
    "build_backbone",
    "check_model_of",
    "check_weights",
    "dim_of_features",
    "kind_of",
    "register",
    "trained_backbone",
    "weights_version",
]
