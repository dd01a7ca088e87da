"""The data sets that a study has results on, and what a column of a table calls them."""

from __future__ import annotations

import re

from nsh_core.errors import UserError
from nsh_core.registry import listed, nearest
from study.reporting.quoted.studies import Studies

_NAMES = {
    "cifar10": "CIFAR-10",
    "corel5k": "Corel5k",
    "fashion": "Fashion",
    "mnist": "MNIST",
    "mobilenetv2": "MobileNetV2",
    "lite0": "EfficientNet-Lite0",
    "lite2": "EfficientNet-Lite2",
}


class DataSets:
    """Finds the studies of one name on all data.

    Args:
        studies: Where they are from.
    """

    def __init__(self, studies: Studies) -> None:
        self._studies = studies

    def on(self, study: str) -> dict[str, str]:
        """Every data set that a study has results on, digits first: what it is called to the key of the study there.

        Args:
            study: Its name, with its mode where that is not its own: "sorter_ablation", "sorter_ablation-tuned".

        Raises:
            UserError: It has results on none, or on one of them twice.
        """
        keys = [key for key in self._studies.keys if re.split("[@+]", key)[0] == study]
        if not keys:
            known = dict.fromkeys(re.split("[@+]", key)[0] for key in self._studies.keys)
            raise UserError(f"there is no study {study!r}, known: {listed(known)}{nearest(study, known)}")
        named = [(title(self._studies.results(key).facts.dataset), key) for key in keys]
        if len(dict(named)) < len(named):
            raise UserError(f"{study} has results twice on one data set: {listed(keys)}; name them one by one")
        return dict(sorted(named, key=lambda one: one[0] != "digits"))


def title(dataset: str) -> str:
    """What a data set is called: "CIFAR-10, MobileNetV2" for features:cifar10_mobilenetv2.npz.

    Args:
        dataset: As a study names it.
    """
    kind, _, rest = dataset.partition(":")
    words = (rest.rpartition("/")[2].removesuffix(".npz") if kind in ("features", "arrays") else kind).split("_")
    names = [_NAMES.get(word, word) for word in words]
    return "-".join(names) if kind not in ("features", "arrays") else ", ".join(names)
