"""What a run needs of the machine and of its data."""

from __future__ import annotations

import os

import torch

from nsh_core.config import Config
from nsh_core.data import Dataset, Images
from nsh_core.distributed import size
from nsh_core.errors import UserError
from nsh_core.methods import DeepMethod, Method, ShallowMethod


def device_of(config: Config) -> torch.device:
    """Where a run trains.

    Args:
        config: Of the run.

    Raises:
        UserError: It asks for a GPU, and there is none.
    """
    wanted = config.train.device
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UserError("train.device = cuda, but torch sees no CUDA device: allowed here are auto and cpu")
    if wanted == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if size() > 1 else torch.device("cuda")


def check_fit(config: Config, dataset: Dataset, method: type[Method]) -> None:
    """Looks whether a run can be trained on data.

    Args:
        config: Of the run.
        dataset: Prepared for it.
        method: Of the run.

    Raises:
        UserError: It cannot.
    """
    if config.train.batch_size > dataset.num_train:
        raise UserError(
            f"train.batch_size = {config.train.batch_size} exceeds the {dataset.num_train} training items "
            f"of {dataset.name}"
        )
    if config.train.views == "plain" and issubclass(method, DeepMethod):
        dataset.plain(torch.zeros(1, dtype=torch.int64))  # raises where they are not known
    if issubclass(method, ShallowMethod):
        if size() > 1:
            raise UserError(f"method {config.method.name} has nothing to train over {size()} processes: use one")
        if isinstance(dataset, Images):
            raise UserError(
                f"method {config.method.name} needs the features of a frozen backbone, e.g. image.backbone = "
                "efficientnet_lite0"
            )
