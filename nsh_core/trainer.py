"""The training loop."""

from __future__ import annotations

import hashlib
import json
import math
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nsh_core.backbones import trained_backbone
from nsh_core.checkpoint import load_tensors, optimizer_tensors, restore_optimizer, save_tensors
from nsh_core.codes import PackedCodes
from nsh_core.config import Config
from nsh_core.data import Dataset, Images
from nsh_core.distributed import from_first, gathered, own_part, rank, share_statistics, size, sum_gradients
from nsh_core.errors import CodeCollapse, NotFinite, UserError
from nsh_core.evaluation import evaluate, label_free_metrics, validation_map
from nsh_core.extraction import prepared
from nsh_core.hasher import Hasher
from nsh_core.methods import DeepMethod, Method, ShallowMethod, method
from nsh_core.model import HashModel, forward_together
from nsh_core.optimizers import Adam, AdamW

Callback = Callable[[dict[str, float]], None]


def fit(
    config: Config,
    dataset: Dataset,
    *,
    on_evaluation: Callback | None = None,
    checkpoints: str | Path | None = None,
    evaluation_threads: int = 1,
    test: bool = True,
) -> Hasher:
    """Learns a hash function from the unlabelled training items of a data set, by NSH or another method, and
    evaluates it.

    on_evaluation: called after every evaluation with epoch, the mean of each loss term since the last one, and
        val_map; what it raises ends the run. Labels are used by these evaluations only.
    checkpoints: folder to keep the state in; a run that finds one of the same config and data there goes on from it,
        to the same codes, bit for bit.
    evaluation_threads: CPU threads of the last evaluation; no result depends on it.
    test: False leaves the test queries alone: metrics are val_map and those that need no labels.
    Returns the hasher of the last epoch, evaluated. Raises UserError for a config that does not fit the data or the
    machine, NotFinite and CodeCollapse for a run that cannot go on.
    """
    dataset = prepared(config, dataset)
    ending = _Ending(evaluation_threads, test)
    run = _Run(config, dataset, ending, on_evaluation, None if checkpoints is None else Path(checkpoints))
    result = _fit([run], dataset)[0]
    if isinstance(result, Exception):
        raise result
    return result


def fit_together(
    configs: Sequence[Config],
    dataset: Dataset,
    *,
    on_evaluation: Sequence[Callback] | None = None,
    evaluation_threads: int = 1,
    test: bool = True,
) -> list[Hasher | Exception]:
    """Trains several runs of one `stack_key` as one stacked model, each with its own seed, data order and settings.

    Arguments as for fit, a callback a run. Returns for each run what fit gives, or the exception it would raise; a run
    that ends early leaves the others alone. On the CPU the codes are those of fit, bit for bit.
    Raises ValueError for configs of several stack keys.
    """
    keys = {stack_key(config) for config in configs}
    if len(keys) != 1:
        raise ValueError(f"'configs' must share one stack_key, got {len(keys)} of them")
    callbacks: Sequence[Callback | None] = on_evaluation or [None] * len(configs)
    dataset = prepared(configs[0], dataset)
    ending = _Ending(evaluation_threads, test)
    runs = [_Run(config, dataset, ending, callback) for config, callback in zip(configs, callbacks, strict=True)]
    return _fit(runs, dataset)


def stack_key(config: Config) -> str:
    """What runs must share to train as one stacked model: method, shapes, loss terms, device and threads."""
    train = config.train.model_dump(include={"batch_size", "device", "bf16", "threads"})
    kind = method(config.method.name)
    own = kind.shape(config) if issubclass(kind, DeepMethod) else ()
    shape = (config.method.name, config.code_length, config.image.model_dump(), config.model.model_dump(), train, own)
    return json.dumps(shape)


def step_seconds(configs: Sequence[Config], dataset: Dataset, steps: int = 4) -> float:
    """Seconds of a stacked training step of these runs, the median of a few after the first; nothing is kept."""
    dataset = prepared(configs[0], dataset)
    runs = [_Run(config, dataset, _Ending()) for config in configs]
    with _numerics(configs[0]):
        seconds = _train_epoch(runs, dataset, steps + 1)
    return statistics.median(seconds[1:] or seconds)


@contextmanager
def _numerics(config: Config) -> Iterator[None]:
    """The number of threads of a config, and no denormal numbers."""
    threads = torch.get_num_threads()
    torch.set_num_threads(config.train.threads)
    # Far ranks weigh next to nothing, and the CPU is many times slower on denormal numbers than on zeros.
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(threads)


def _fit(runs: list[_Run], dataset: Dataset) -> list[Hasher | Exception]:
    with _numerics(runs[0].config):
        for run in runs:
            run.begin()
        while active := [run for run in runs if run.goes_on()]:
            start = time.perf_counter()
            _train_epoch(active, dataset)
            seconds = (time.perf_counter() - start) / len(active)
            for run in active:
                run.end_epoch(seconds)
        return [run.result() for run in runs]


def _train_epoch(runs: list[_Run], dataset: Dataset, most_steps: int | None = None) -> list[float]:
    """One epoch of every run, or its first steps, stacked; returns the seconds of each step."""
    kind = runs[0].method
    assert issubclass(kind, DeepMethod)
    objective = kind([run.config for run in runs])
    models = [run.model for run in runs]
    orders = [run.begin_epoch() for run in runs]
    size = runs[0].config.train.batch_size
    steps = min(dataset.num_train // size, most_steps or dataset.num_train)
    ahead = dataset.steps_of_views  # one call for small images in place of many
    times = [time.perf_counter()]
    sums: dict[str, Tensor] = defaultdict(lambda: torch.zeros(len(runs), device=runs[0].device))
    for step in range(steps):
        if step % ahead == 0:
            part = slice(step * size, min(step + ahead, steps) * size)
            views = [run.views(order[part]) for run, order in zip(runs, orders, strict=True)]
        here = slice(step % ahead * size, (step % ahead + 1) * size)
        items = torch.stack([torch.cat([own_part(view[here]) for view in pair]) for pair in views])
        with torch.autocast(items.device.type, torch.bfloat16, enabled=runs[0].bf16):
            first, second = (gathered(half) for half in forward_together(models, items).halves())
        terms = objective(first, second, [run.generator for run in runs])
        for run in runs:
            run.optimizer.zero_grad(set_to_none=True)
        # A run's loss does not depend on another's parameters, so the sum gives each its own gradient.
        terms["loss"].sum().backward()
        for run in runs:
            sum_gradients(run.model.parameters())
            run.optimizer_step(run.epoch + step / steps, 1 / steps)
        for name, value in terms.items():
            sums[name] += value.detach()
        times.append(time.perf_counter())
    for name, total in sums.items():
        for run, mean in zip(runs, (total / steps).tolist(), strict=True):
            run.means.setdefault(name, []).append(mean)
    return [end - start for start, end in pairwise(times)]


def _device(config: Config) -> torch.device:
    wanted = config.train.device
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UserError("train.device = cuda, but torch sees no CUDA device: allowed here are auto and cpu")
    if wanted == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if size() > 1 else torch.device("cuda")


@dataclass(frozen=True)
class _Ending:
    """How a run is evaluated at its end: on how many threads, and whether on test queries too."""

    threads: int = 1
    test: bool = True


class _Run:
    """One run: what changes from epoch to epoch, and how to save and restore it.

    All randomness of an epoch comes from a generator seeded by the run's seed and the epoch, so that nothing but
    tensors and counters has to be kept.
    """

    def __init__(
        self,
        config: Config,
        dataset: Dataset,
        ending: _Ending,
        on_evaluation: Callback | None = None,
        folder: Path | None = None,
    ) -> None:
        self.config, self.dataset, self.on_evaluation, self.folder = config, dataset, on_evaluation, folder
        self.ending = ending
        self.method: type[Method] = method(config.method.name)
        self.device = _device(config)
        if config.train.batch_size > dataset.num_train:
            raise UserError(
                f"train.batch_size = {config.train.batch_size} exceeds the {dataset.num_train} training items "
                f"of {dataset.name}"
            )
        self.bf16 = config.train.bf16 and self.device.type == "cuda"
        encoder = dataset.encoder if config.model.encoder == "auto" else config.model.encoder
        if issubclass(self.method, ShallowMethod):
            encoder = "identity"
            if size() > 1:
                raise UserError(f"method {config.method.name} has nothing to train over {size()} processes: use one")
            if isinstance(dataset, Images):
                raise UserError(
                    f"method {config.method.name} needs the features of a frozen backbone, e.g. image.backbone = vgg16"
                )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            # Frozen backbones are gone by now: their data set is one of features.
            backbone = trained_backbone(config.image) if isinstance(dataset, Images) else None
            self.model = HashModel(config, dataset.dim if backbone is None else backbone.dim, encoder, backbone)
        share_statistics(self.model)
        self.hasher = Hasher(config, self.model.to(self.device), encoder)
        kind = AdamW if config.train.optimizer == "adamw" else Adam
        self.optimizer = kind(self._parameter_groups(), weight_decay=config.train.weight_decay, fused=True)
        self.generator = torch.Generator()
        count = config.train.neighbors
        self.neighbors = dataset.training_neighbors(count) if count else None
        self.epoch = 0
        self.best = -math.inf
        self.evaluations_since_best = 0
        self.means: dict[str, list[float]] = {}
        self.database: PackedCodes | None = None
        self.error: Exception | None = None
        if folder is None or not (folder / "checkpoint.json").exists():
            if self.model.backbone is None:
                self.model.fit_standardization(*dataset.training_moments)
        else:
            self._restore(folder)

    def _parameter_groups(self) -> list[dict[str, Any]]:
        """Heads and encoder, and a backbone in training, at its own rate if it was pre-trained; "top" is the rate."""
        image, rate = self.config.image, self.config.train.learning_rate
        backbone = [] if self.model.backbone is None else list(self.model.backbone.parameters())
        known = {id(parameter) for parameter in backbone}
        others = [parameter for parameter in self.model.parameters() if id(parameter) not in known]
        groups = [{"params": others, "lr": rate, "top": rate}]
        if backbone:
            own = rate if image.backbone == "small_cnn" else image.learning_rate
            groups.append({"params": backbone, "lr": own, "top": own})
        return groups

    def begin(self) -> None:
        """Fits a shallow method, which has no epochs."""
        if issubclass(self.method, ShallowMethod):
            start = time.perf_counter()
            try:
                self.method.fit(self.model, self.dataset, self.config.seed)
            except Exception as error:
                self.error = error
            self.hasher.seconds = time.perf_counter() - start

    def goes_on(self) -> bool:
        """Whether there are epochs left to train."""
        patience = self.config.train.patience
        out_of_patience = patience is not None and self.evaluations_since_best >= patience
        left = issubclass(self.method, DeepMethod) and self.epoch < self.config.train.epochs
        return self.error is None and left and not out_of_patience

    def begin_epoch(self) -> Tensor:
        """Seeds the epoch and returns the order of the training items."""
        self.generator.manual_seed(self.config.seed * 1_000_003 + self.epoch)
        self.model.train()
        return torch.randperm(self.dataset.num_train, generator=self.generator)

    def views(self, index: Tensor) -> list[Tensor]:
        """Two views of training items, on the device; the second may be of a neighbour instead (train.neighbors)."""
        partners = index
        if self.neighbors is not None:
            chosen = torch.randint(self.neighbors.shape[1], index.shape, generator=self.generator)
            own = torch.rand(index.shape, generator=self.generator) < 0.5
            partners = torch.where(own, index, self.neighbors[index, chosen])
        return list(self.dataset.views(index, partners, self.generator, self.device))

    def optimizer_step(self, epoch: float, step: float) -> None:
        """Moves the weights at the learning rates of a moment; `epoch` counts fractions, `step` is one step's."""
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate(group["top"], epoch, step)
        self.optimizer.step()

    def end_epoch(self, seconds: float) -> None:
        """Counts the epoch, checks, evaluates and saves; what goes wrong ends this run alone."""
        self.model.eval()

        def first() -> tuple[Exception | None, int, float, int]:
            self._end_epoch(seconds)
            return self.error, self.epoch, self.best, self.evaluations_since_best

        self.error, self.epoch, self.best, self.evaluations_since_best = from_first(first)
        if rank() > 0:
            self.means.clear()

    def _end_epoch(self, seconds: float) -> None:
        train = self.config.train
        try:
            self._check_finite()
            self.epoch += 1
            self.hasher.seconds += seconds
            if self.epoch % train.evaluate_every == 0 or self.epoch == train.epochs:
                record = self._evaluate()
                if self.on_evaluation is not None:
                    self.on_evaluation(record)
            if self.folder is not None and self._checkpoint_due():
                self._save(self.folder)
        except Exception as error:
            self.error = error

    def result(self) -> Hasher | Exception:
        """The hasher, evaluated, or what ended the run."""

        def first() -> dict[str, Any]:
            if not self.hasher.metrics:
                self._evaluate_fully(self._database_codes() if self.database is None else self.database)
            return self.hasher.measured()

        if self.error is None:
            self.hasher.take(from_first(first))
        return self.hasher if self.error is None else self.error

    def _check_finite(self) -> None:
        for name, values in self.means.items():
            if not math.isfinite(values[-1]):
                raise NotFinite(f"{name} became {values[-1]} in epoch {self.epoch + 1}")
        if not all(bool(parameter.isfinite().all()) for parameter in self.model.parameters()):
            raise NotFinite(f"a weight became NaN or infinite in epoch {self.epoch + 1}")

    def _learning_rate(self, top: float, epoch: float, step: float) -> float:
        """Linear warm-up to `top`, then constant, or a cosine to zero over all epochs. `epoch` counts fractions."""
        train = self.config.train
        warm = min(1.0, (epoch + step) / train.warmup_epochs) if train.warmup_epochs > 0 else 1.0
        falling = 1.0 if train.schedule == "constant" else 0.5 * (1 + math.cos(math.pi * epoch / train.epochs))
        return top * warm * falling

    def _evaluate(self) -> dict[str, float]:
        self.database = self._database_codes()
        if self.epoch == self.config.train.epochs:
            self._evaluate_fully(self.database)
            value = self.hasher.metrics["val_map"]
        else:
            value = validation_map(self.hasher, self.dataset, self.database)
        record = {"epoch": float(self.epoch), "val_map": value}
        record |= {name: sum(values) / len(values) for name, values in self.means.items()}
        self.means.clear()
        self.hasher.history.append(record)
        self.evaluations_since_best = 0 if value > self.best else self.evaluations_since_best + 1
        self.best = max(self.best, value)
        return record

    def _database_codes(self) -> PackedCodes:
        if issubclass(self.method, DeepMethod):
            self.method.calibrate(self.model, self.dataset)
        codes = self.hasher.encode(self.dataset.database)
        if len(codes) > 1 and not (codes != codes[0]).any():
            raise CodeCollapse(f"all {len(codes)} database items have one code after epoch {self.epoch}")
        return codes

    def _evaluate_fully(self, database: PackedCodes) -> None:
        self.hasher.codes_sha256 = hashlib.sha256(database.tobytes()).hexdigest()
        if self.ending.test:
            evaluation = evaluate(self.hasher, self.dataset, self.ending.threads, database)
            self.hasher.metrics, self.hasher.curves = evaluation.metrics, evaluation.curves
            self.hasher.nearest = evaluation.nearest
        else:
            value = validation_map(self.hasher, self.dataset, database)
            self.hasher.metrics = {"val_map": value} | label_free_metrics(self.hasher, database)

    def _checkpoint_due(self) -> bool:
        return self.epoch % self.config.train.checkpoint_every == 0 or self.epoch == self.config.train.epochs

    def _facts(self) -> dict[str, Any]:
        return {"config": self.config.digest(), "data": self.dataset.fingerprint()}

    def _save(self, folder: Path) -> None:
        model = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        facts = self._facts() | {
            "epoch": self.epoch,
            "best": self.best,
            "evaluations_since_best": self.evaluations_since_best,
            "means": self.means,
            "history": self.hasher.history,
            "seconds": self.hasher.seconds,
        }
        save_tensors(folder, "checkpoint", model | optimizer_tensors(self.optimizer), facts)

    def _restore(self, folder: Path) -> None:
        tensors, facts = load_tensors(folder, "checkpoint")
        for name, value in self._facts().items():
            if facts.get(name) != value:
                raise UserError(
                    f"{folder} holds a checkpoint of another {name} ({facts.get(name)}, this run: {value}): "
                    "choose another folder"
                )
        self.model.load_state_dict(
            {name.removeprefix("model."): value for name, value in tensors.items() if name.startswith("model.")}
        )
        restore_optimizer(
            self.optimizer, {name: value for name, value in tensors.items() if name.startswith("optimizer.")}
        )
        self.epoch, self.best = facts["epoch"], facts["best"]
        self.evaluations_since_best = facts["evaluations_since_best"]
        self.means = facts["means"]
        self.hasher.history, self.hasher.seconds = facts["history"], facts["seconds"]
