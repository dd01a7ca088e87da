"""The training loop."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nsh_core.checkpoint import load_tensors, optimizer_tensors, restore_optimizer, save_tensors
from nsh_core.config import Config
from nsh_core.data import Dataset
from nsh_core.errors import CodeCollapse, NotFinite, UserError
from nsh_core.evaluation import evaluate, validation_map
from nsh_core.hasher import Hasher
from nsh_core.losses import Objective
from nsh_core.model import HashModel

Callback = Callable[[dict[str, float]], None]


def fit(
    config: Config,
    dataset: Dataset,
    *,
    on_evaluation: Callback | None = None,
    checkpoints: str | Path | None = None,
    evaluation_threads: int = 1,
) -> Hasher:
    """Trains NSH (Yu et al. 2022) on the unlabelled training items of a data set and evaluates it.

    on_evaluation: called after every evaluation with epoch, the mean of each loss term since the last one, and
        val_map; what it raises ends the run. Labels are used by these evaluations only.
    checkpoints: folder to keep the state in; a run that finds one of the same config and data there goes on from it,
        to the same codes, bit for bit.
    evaluation_threads: CPU threads of the last evaluation; no result depends on it.
    Returns the hasher of the last epoch, evaluated. Raises UserError for a config that does not fit the data or the
    machine, NotFinite and CodeCollapse for a run that cannot go on.
    """
    device = _device(config)
    if config.train.batch_size > dataset.num_train:
        raise UserError(
            f"train.batch_size = {config.train.batch_size} exceeds the {dataset.num_train} training items "
            f"of {dataset.name}"
        )
    threads = torch.get_num_threads()
    torch.set_num_threads(config.train.threads)
    # Far ranks weigh next to nothing, and the CPU is many times slower on denormal numbers than on zeros.
    torch.set_flush_denormal(True)
    try:
        run = _Run(config, dataset, device, None if checkpoints is None else Path(checkpoints))
        hasher = run.train(on_evaluation)
        hasher.metrics, hasher.curves = evaluate(hasher, dataset, evaluation_threads)
        return hasher
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(threads)


def _device(config: Config) -> torch.device:
    wanted = config.train.device
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UserError("train.device = cuda, but torch sees no CUDA device: allowed here are auto and cpu")
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


class _Run:
    """One run: what changes from epoch to epoch, and how to save and restore it.

    All randomness of an epoch comes from a generator seeded by the run's seed and the epoch, so that nothing but
    tensors and counters has to be kept.
    """

    def __init__(self, config: Config, dataset: Dataset, device: torch.device, folder: Path | None) -> None:
        self.config, self.dataset, self.device, self.folder = config, dataset, device, folder
        self.objective = Objective(config)
        encoder = dataset.encoder if config.model.encoder == "auto" else config.model.encoder
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.model = HashModel(config.model, dataset.dim, config.code_length, encoder)
        self.hasher = Hasher(config, self.model.to(device), encoder)
        kind = torch.optim.AdamW if config.train.optimizer == "adamw" else torch.optim.Adam
        trained = self.model.parameters()
        self.optimizer = kind(trained, config.train.learning_rate, weight_decay=config.train.weight_decay, fused=True)
        self.epoch = 0
        self.best = -math.inf
        self.evaluations_since_best = 0
        self.means: dict[str, list[float]] = {}
        if folder is None or not (folder / "checkpoint.json").exists():
            self.model.fit_standardization(dataset.training_values())
        else:
            self._restore(folder)

    def train(self, on_evaluation: Callback | None) -> Hasher:
        train = self.config.train
        while self.epoch < train.epochs and not self._out_of_patience():
            start = time.perf_counter()
            self._train_epoch()
            self.epoch += 1
            self.hasher.seconds += time.perf_counter() - start
            if self.epoch % train.evaluate_every == 0 or self.epoch == train.epochs:
                record = self._evaluate()
                if on_evaluation is not None:
                    on_evaluation(record)
            if self.folder is not None and self._checkpoint_due():
                self._save(self.folder)
        return self.hasher

    def _train_epoch(self) -> None:
        train = self.config.train
        generator = torch.Generator().manual_seed(self.config.seed * 1_000_003 + self.epoch)
        order = torch.randperm(self.dataset.num_train, generator=generator)
        batches = [b for b in order.split(train.batch_size) if len(b) == train.batch_size]
        self.model.train()
        sums: dict[str, Tensor] = defaultdict(lambda: torch.zeros((), device=self.device))
        for step, index in enumerate(batches):
            rate = self._learning_rate(self.epoch + step / len(batches), 1 / len(batches))
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            terms = self._terms(index, generator)
            self.optimizer.zero_grad(set_to_none=True)
            terms["loss"].backward()
            self.optimizer.step()
            for name, value in terms.items():
                sums[name] += value.detach()
        self.model.eval()
        for name, total in sums.items():
            mean = float(total) / len(batches)
            if not math.isfinite(mean):
                raise NotFinite(f"{name} became {mean} in epoch {self.epoch + 1}")
            self.means.setdefault(name, []).append(mean)
        if not all(bool(parameter.isfinite().all()) for parameter in self.model.parameters()):
            raise NotFinite(f"a weight became NaN or infinite in epoch {self.epoch + 1}")

    def _terms(self, index: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        views = [view.to(self.device, non_blocking=True) for view in self.dataset.views(index, generator)]
        bf16 = self.config.train.bf16 and self.device.type == "cuda"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=bf16):
            first, second = self.model(torch.cat(views)).halves()
        return self.objective(first, second, generator)

    def _learning_rate(self, epoch: float, step: float) -> float:
        """Linear warm-up, then constant, or a cosine to zero over all epochs. `epoch` counts fractions."""
        train = self.config.train
        warm = min(1.0, (epoch + step) / train.warmup_epochs) if train.warmup_epochs > 0 else 1.0
        falling = 1.0 if train.schedule == "constant" else 0.5 * (1 + math.cos(math.pi * epoch / train.epochs))
        return train.learning_rate * warm * falling

    def _evaluate(self) -> dict[str, float]:
        codes = self.hasher.encode(self.dataset.database)
        if len(codes) > 1 and not (codes != codes[0]).any():
            raise CodeCollapse(f"all {len(codes)} database items have one code after epoch {self.epoch}")
        value = validation_map(self.hasher, self.dataset)
        record = {"epoch": float(self.epoch), "val_map": value}
        record |= {name: sum(values) / len(values) for name, values in self.means.items()}
        self.means.clear()
        self.hasher.history.append(record)
        self.evaluations_since_best = 0 if value > self.best else self.evaluations_since_best + 1
        self.best = max(self.best, value)
        return record

    def _out_of_patience(self) -> bool:
        patience = self.config.train.patience
        return patience is not None and self.evaluations_since_best >= patience

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
