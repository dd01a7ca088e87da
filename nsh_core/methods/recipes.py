"""How authors of deep methods trained, as their public code has it; augmentations and backbones are the data's.

Sources, each file at the commit that was read on 2026-11-26: zexuanqiu/CIBHash model/base_model.py and
model/CIBHash.py, liyunqianggyn/Deep-Unsupervised-Image-Hashing ImageHashing/Cifar10_I.py, ssppp/GreedyHash
unsupervised_vgg.py, kamwoh/sdc configs, ilyassmoummad/cross-view-code-alignment args.py, model.py and optim.py,
luoxiao12/CIMON CIMON/cimon.py and run.py and model_loader.py, yuanli2333/Hadamard-Matrix-for-hashing train.py,
network.py and options.py.
"""

from __future__ import annotations

from typing import Any

_CONSTANT = {"train.schedule": "constant", "train.warmup_epochs": 0}
_SGD = {"train.optimizer": "sgd", "train.learning_rate": 1e-4, "train.weight_decay": 5e-4, "train.batch_size": 32}


def contrastive(code_length: int) -> dict[str, Any]:
    """CIBHash's: a hidden layer of 1,024, Adam at 1e-3, batches of 64, 60 epochs, 80 for 16 bits.

    Args:
        code_length: K.
    """
    return {
        "model.hash_head": "mlp",
        "image.views": "cibhash",
        "train.learning_rate": 1e-3,
        "train.batch_size": 64,
        "train.epochs": 80 if code_length == 16 else 60,
        **_CONSTANT,
    }


def bihalf() -> dict[str, Any]:
    """Bi-half Net's: plain images, SGD at 1e-4, batches of 32, 300 epochs, the rate divided by 10 after 120 and 240."""
    return {"train.views": "plain", "train.epochs": 300, **_SGD, **_CONSTANT, "train.schedule": "step"}


def greedyhash(code_length: int) -> dict[str, Any]:
    """GreedyHash's: plain images, SGD at 1e-4, batches of 32, 60 epochs, 300 for 16 bits.

    Args:
        code_length: K.
    """
    return {"train.views": "plain", "train.epochs": 300 if code_length == 16 else 60, **_SGD, **_CONSTANT}


def sdc() -> dict[str, Any]:
    """SDC's: plain images, a hidden layer, batches of 64, 100 epochs of Adam, b = 5 and the quantisation's weight 1.

    Its learning rate is in none of the files that could be read: 1e-3 stays. Its hidden layer has as many units as
    there are features, with GELU; here 1,024 with ReLU.
    """
    return {
        "model.hash_head": "mlp",
        "train.views": "plain",
        "train.learning_rate": 1e-3,
        "train.batch_size": 64,
        "train.epochs": 100,
        **_CONSTANT,
        "method.options.beta": 5.0,
        "method.options.quantization_weight": 1.0,
    }


def crovca() -> dict[str, Any]:
    """CroVCA's: a hidden layer, AdamW at 1e-3 with decay 1e-2, a cosine to 0, batches of 256, 5 epochs.

    Its hidden layer has as many units as there are features; here 1,024. Its cosine ends at 1e-6.
    """
    return {
        "model.hash_head": "mlp",
        "train.optimizer": "adamw",
        "train.learning_rate": 1e-3,
        "train.weight_decay": 1e-2,
        "train.batch_size": 256,
        "train.epochs": 5,
        "train.schedule": "cosine",
        "train.warmup_epochs": 0,
    }


def cimon() -> dict[str, Any]:
    """CIMON's: a linear head, SGD at 1e-3 with decay 1e-5, batches of 24, 150 epochs.

    Its backbone trains too, and pairs are similar within a cosine distance of .1 on its features of VGG-16; here a
    share of pairs is, see docs/methods.md.
    """
    return {
        "train.optimizer": "sgd",
        "train.learning_rate": 1e-3,
        "train.weight_decay": 1e-5,
        "train.batch_size": 24,
        "train.epochs": 150,
        **_CONSTANT,
    }


def csq() -> dict[str, Any]:
    """CSQ's: a hidden layer, Adam at 1e-3, batches of 64, 90 epochs; its commands leave its pairwise term out.

    It has two hidden layers as wide as the features, with dropout, and a rate that falls by .7 every 10 epochs; here
    one of 1,024, and a cosine.
    """
    return {
        "model.hash_head": "mlp",
        "train.learning_rate": 1e-3,
        "train.batch_size": 64,
        "train.epochs": 90,
        "train.warmup_epochs": 0,
    }
