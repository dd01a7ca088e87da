"""The kinds of backbones, imported when one is first asked for."""

from __future__ import annotations

from nsh_core.registry import BACKBONES

register = BACKBONES.register

register("small_cnn", "nsh_core.backbones.small_cnn:SmallCNN")
register("efficientnet_lite0", "nsh_core.backbones.efficientnet_lite:EfficientNetLite0")
register("efficientnet_lite2", "nsh_core.backbones.efficientnet_lite:EfficientNetLite2")
register("timm", "nsh_core.backbones.timm_models:TimmBackbone", "timm:NAME")
