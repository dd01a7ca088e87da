"""One run: its model, optimizer and progress, and what happens at the ends of its epochs."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nsh_core.backbones import trained_backbone
from nsh_core.codes import PackedCodes
from nsh_core.config import Config
from nsh_core.data import Dataset, Images
from nsh_core.data.facts import DataFacts
from nsh_core.data.labels import without_labels
from nsh_core.distributed import from_first, rank, share_statistics
from nsh_core.errors import CodeCollapse, NotFinite, naming
from nsh_core.evaluation import evaluate, validation_map
from nsh_core.hasher import Hasher
from nsh_core.measures import SELECTION, Evidence, taken
from nsh_core.methods import DeepMethod, Method, ShallowMethod
from nsh_core.model import HashModel
from nsh_core.registry import METHODS
from nsh_core.sending import sent
from nsh_core.training import checkpoint
from nsh_core.training.checkpoint import Progress
from nsh_core.training.fitting import check_fit, device_of
from nsh_core.training.schedule import learning_rates

Callback = Callable[[dict[str, float]], None]

_OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": partial(torch.optim.SGD, momentum=0.9),
}


@dataclass(frozen=True)
class Ending:
    """How a run is evaluated at its end.

    Attributes:
        threads: Chunks of queries worked on at once.
        test: Whether on test queries too.
    """

    threads: int = 1
    test: bool = True


class Run:
    """One run under way.

    Args:
        config: What to train.
        dataset: Prepared for the config.
        ending: How it is evaluated at its end.
        on_evaluation: Called after every evaluation with its record; what it raises ends the run.
        folder: Of checkpoints; where there is one of this run, it goes on from there.

    Raises:
        UserError: The config does not fit the data or the machine, or the checkpoint is another run's.
    """

    def __init__(
        self,
        config: Config,
        dataset: Dataset,
        ending: Ending,
        on_evaluation: Callback | None = None,
        folder: Path | None = None,
    ) -> None:
        self.config, self.dataset, self.on_evaluation, self.folder = config, dataset, on_evaluation, folder
        self.ending = ending
        self.method: type[Method] = METHODS[config.method.name]
        self.device = device_of(config)
        check_fit(config, dataset, self.method)
        # Labels stay behind, but for a method that says that it learns from them.
        self.seen = dataset if config.information == "labels" else without_labels(dataset)
        self.prepared: Any = None
        if issubclass(self.method, DeepMethod):
            with naming(f"method {config.method.name!r}"):
                self.prepared = self.method.prepare(config, self.seen)
        self.bf16 = config.train.bf16 and self.device.type == "cuda"
        self.steps = dataset.num_train // config.train.batch_size
        encoder = dataset.encoder if config.model.encoder == "auto" else config.model.encoder
        if issubclass(self.method, ShallowMethod):
            encoder = "identity"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            # Frozen backbones are gone by now: their data set is one of features.
            backbone = trained_backbone(config.image) if isinstance(dataset, Images) else None
            self.model = HashModel(config, dataset.dim if backbone is None else backbone.dim, encoder, backbone)
        share_statistics(self.model)
        inputs = dataset.training_facts if backbone is None else None
        self.hasher = Hasher(config, self.model.to(self.device), encoder, inputs, DataFacts.of(dataset))
        kind = _OPTIMIZERS[config.train.optimizer]
        self.optimizer = kind(self._parameter_groups(), weight_decay=config.train.weight_decay, fused=True)
        self.generator = torch.Generator()
        count = config.train.neighbors
        self.neighbors = dataset.training_neighbors(count) if count else None
        self.error: Exception | None = None
        restored = None
        if folder is not None:
            restored = checkpoint.restore(folder, self._identity, self.model, self.optimizer)
        if restored is None and self.model.backbone is None:
            self.model.fit_standardization(*dataset.training_moments)
        self.progress = restored or Progress()
        self.schedule = learning_rates(self.optimizer, config.train, self.steps, self.progress.epoch)

    def _parameter_groups(self) -> list[dict[str, Any]]:
        """Heads and encoder, and a backbone in training, at its own rate if it was pre-trained."""
        image, rate = self.config.image, self.config.train.learning_rate
        backbone = [] if self.model.backbone is None else list(self.model.backbone.parameters())
        known = {id(parameter) for parameter in backbone}
        others = [parameter for parameter in self.model.parameters() if id(parameter) not in known]
        groups: list[dict[str, Any]] = [{"params": others, "lr": rate}]
        if backbone:
            trained = [parameter for parameter in backbone if parameter.requires_grad]
            groups.append({"params": trained, "lr": rate if image.from_scratch else image.learning_rate})
        return groups

    def begin(self) -> None:
        """Fits a shallow method, which has no epochs."""
        if issubclass(self.method, ShallowMethod):
            start = time.perf_counter()
            try:
                with naming(f"method {self.config.method.name!r}"):
                    self.method.fit(self.model, self.seen, self.config.seed)
            except Exception as error:
                self.error = error
            self.progress.seconds = time.perf_counter() - start

    def goes_on(self) -> bool:
        """Whether there are epochs left to train."""
        train, progress = self.config.train, self.progress
        out_of_patience = train.patience is not None and progress.evaluations_since_best >= train.patience
        left = issubclass(self.method, DeepMethod) and progress.epoch < train.epochs
        return self.error is None and left and not out_of_patience

    def begin_epoch(self) -> Tensor:
        """Seeds the epoch.

        Returns:
            The order of the training items, a permutation of their indices.
        """
        self.generator.manual_seed(self.config.seed * 1_000_003 + self.progress.epoch)
        self.model.train()
        return torch.randperm(self.dataset.num_train, generator=self.generator)

    def views(self, index: Tensor) -> list[Tensor]:
        """Two views of training items; the second may be of a neighbour instead (train.neighbors).

        Args:
            index: Of the items [b].

        Returns:
            Two views [b, ...], on the device; the items themselves where the config wants them plain.
        """
        partners = index
        if self.neighbors is not None:
            chosen = torch.randint(self.neighbors.shape[1], index.shape, generator=self.generator)
            own = torch.rand(index.shape, generator=self.generator) < 0.5
            partners = torch.where(own, index, self.neighbors[index, chosen])
        if self.config.train.views == "plain":
            return [sent(self.dataset.plain(chosen), self.device) for chosen in (index, partners)]
        return list(self.dataset.views(index, partners, self.generator, self.device))

    def end_epoch(self, seconds: float, memory: dict[str, Tensor]) -> None:
        """Counts the epoch, checks, evaluates and saves; what goes wrong ends this run alone.

        Args:
            seconds: That the epoch took.
            memory: What the method remembers of this run.
        """
        self.model.eval()
        self.progress.memory = memory

        def first() -> tuple[Exception | None, Progress]:
            self._end_epoch(seconds)
            return self.error, self.progress

        self.error, self.progress = from_first(first)
        if rank() > 0:
            self.progress.means.clear()

    def _end_epoch(self, seconds: float) -> None:
        train, progress = self.config.train, self.progress
        try:
            self._check_finite()
            progress.epoch += 1
            progress.seconds += seconds
            if progress.epoch % train.evaluate_every == 0 or progress.epoch == train.epochs:
                record = self._evaluate()
                if self.on_evaluation is not None:
                    self.on_evaluation(record)
            if self.folder is not None and (
                progress.epoch % train.checkpoint_every == 0 or progress.epoch == train.epochs
            ):
                checkpoint.save(self.folder, self._identity, progress, self.model, self.optimizer)
        except Exception as error:
            self.error = error

    def result(self) -> Hasher | Exception:
        """The hasher, evaluated, or what ended the run."""

        def first() -> dict[str, Any]:
            if not self.hasher.metrics:
                self._evaluate_fully(self._evidence())
            self.hasher.seconds, self.hasher.history = self.progress.seconds, self.progress.history
            return self.hasher.measured()

        if self.error is None:
            self.hasher.take(from_first(first))
        return self.hasher if self.error is None else self.error

    def _check_finite(self) -> None:
        epoch = self.progress.epoch + 1
        for name, values in self.progress.means.items():
            if not math.isfinite(values[-1]):
                raise NotFinite(f"{name} became {values[-1]} in epoch {epoch}")
        if not all(bool(parameter.isfinite().all()) for parameter in self.model.parameters()):
            raise NotFinite(f"a weight became NaN or infinite in epoch {epoch}")

    def _evaluate(self) -> dict[str, float]:
        """The record of an evaluation; at the end of the last epoch the whole of it is taken."""
        progress = self.progress
        losses = {name: sum(values) / len(values) for name, values in progress.means.items()}
        evidence = self._evidence(losses)
        if progress.epoch == self.config.train.epochs:
            self._evaluate_fully(evidence)
            value = self.hasher.metrics[SELECTION]
        else:
            value = validation_map(evidence)
        record = {"epoch": float(progress.epoch), SELECTION: value} | losses
        progress.means.clear()
        progress.history.append(record)
        progress.evaluations_since_best = 0 if value > progress.best else progress.evaluations_since_best + 1
        progress.best = max(progress.best, value)
        return record

    def _evidence(self, losses: dict[str, float] | None = None) -> Evidence:
        if losses is None:
            losses = self.progress.history[-1] if self.progress.history else {}
        return Evidence(
            self.hasher, self.dataset, self._database_codes(), losses, self.ending.threads, self.ending.test
        )

    def _database_codes(self) -> PackedCodes:
        if issubclass(self.method, DeepMethod):
            with naming(f"method {self.config.method.name!r}"):
                self.method.calibrate(self.model, self.seen)
        codes = self.hasher.encode(self.dataset.database)
        if len(codes) > 1 and not (codes != codes[0]).any():
            raise CodeCollapse(f"all {len(codes)} database items have one code after epoch {self.progress.epoch}")
        return codes

    def _evaluate_fully(self, evidence: Evidence) -> None:
        self.hasher.codes_sha256 = hashlib.sha256(evidence.database.tobytes()).hexdigest()
        if self.ending.test:
            evaluation = evaluate(evidence)
            self.hasher.metrics, self.hasher.curves = evaluation.metrics, evaluation.curves
            self.hasher.nearest, self.hasher.ap = evaluation.nearest, evaluation.ap
        else:
            self.hasher.metrics = taken(evidence)

    @cached_property
    def _identity(self) -> dict[str, str]:
        """What a checkpoint must be of; all data are read for it, which may be many."""
        return {"config": self.config.digest(), "data": self.dataset.fingerprint()}
