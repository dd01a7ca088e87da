"""The public face of training."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from nsh_core.arguments import called, in_short, path
from nsh_core.config import Config
from nsh_core.data import MADE, Dataset
from nsh_core.errors import UserError, naming
from nsh_core.files import check_folder
from nsh_core.hasher import Hasher
from nsh_core.methods import DeepMethod
from nsh_core.preparation import prepared
from nsh_core.registry import METHODS
from nsh_core.training.run import Callback, Ending, Run
from nsh_core.training.step import Stack

# Of so many items the values of a run fill whole vectors and blocks of the CPU's kernels, whatever follows them.
_BATCH_UNIT = 32


def fit(
    config: Config,
    dataset: Dataset,
    *,
    on_evaluation: Callback | None = None,
    checkpoints: str | Path | None = None,
    evaluation_threads: int = 1,
    test: bool = True,
) -> Hasher:
    """Learns a hash function from the unlabelled training items of a data set, and evaluates it.

    Args:
        config: What to train: NSH or another method.
        dataset: As load_dataset gives it; features of a frozen backbone are extracted first, once.
        on_evaluation: Called after every evaluation with epoch, the mean of each loss term since the last one, and
            val_map; what it raises ends the run. Labels are used by these evaluations only.
        checkpoints: Folder to keep the state in; a run that finds one of the same config and data there goes on from
            it, to the same codes, bit for bit.
        evaluation_threads: CPU threads of the last evaluation; no result depends on it.
        test: False leaves the test queries alone, and measures of them out.

    Returns:
        The hasher of the last epoch, evaluated.

    Raises:
        UserError: The config does not fit the data or the machine, something is of another kind, or nothing can be
            written into the folder.
        NotFinite: A loss or a weight became NaN or infinite.
        CodeCollapse: All items of the database got one code.
    """
    _check(config, dataset)
    callback = called("on_evaluation", on_evaluation)
    ending = Ending(evaluation_threads, test)
    folder = None if checkpoints is None else path("checkpoints", checkpoints)
    if folder is not None:
        check_folder(folder)
    data = prepared(config, dataset)
    [result] = _train([Run(config, data, ending, callback, folder)])
    if isinstance(result, Exception):
        raise result
    assert result.data is not None
    result.data = replace(result.data, fingerprint=data.fingerprint())
    return result


def _check(config: Config, dataset: Dataset) -> None:
    if not isinstance(config, Config):
        raise UserError(f"config must be what make_config({{'code_length': 16}}) gives, got {in_short(config)}")
    if not isinstance(dataset, Dataset):
        raise UserError(f"dataset must be what load_dataset(NAME) gives, got {in_short(dataset)}; {MADE}")


def fit_together(
    configs: Sequence[Config],
    dataset: Dataset,
    *,
    on_evaluation: Sequence[Callback] | None = None,
    evaluation_threads: int = 1,
    test: bool = True,
) -> list[Hasher | Exception]:
    """Trains several runs of one `stack_key`, as one stack where they are `stackable`, else one after another.

    Each has its own seed, data order and settings; one that ends early leaves the others alone. On the CPU the codes
    are those of fit, bit for bit.

    Args:
        configs: Of one stack key.
        dataset: As for fit.
        on_evaluation: As for fit, a callback a run.
        evaluation_threads: As for fit.
        test: As for fit.

    Returns:
        For each run what fit gives, or the exception it would raise.

    Raises:
        ValueError: The configs have several stack keys.
        UserError: A config does not fit the data or the machine.
    """
    for config in configs:
        _check(config, dataset)
    keys = {stack_key(config) for config in configs}
    if len(keys) != 1:
        raise ValueError(f"'configs' must share one stack_key, got {len(keys)} of them")
    callbacks: Sequence[Callback | None] = on_evaluation or [None] * len(configs)
    data = prepared(configs[0], dataset)
    ending = Ending(evaluation_threads, test)
    runs = [Run(config, data, ending, callback) for config, callback in zip(configs, callbacks, strict=True)]
    stacks = [runs] if stackable(configs[0]) else [[run] for run in runs]
    return [result for stack in stacks for result in _train(stack)]


def stack_key(config: Config) -> str:
    """What runs must share to train as one stack: method, shapes, loss terms, device and threads."""
    train = config.train.model_dump(include={"batch_size", "device", "bf16", "threads"})
    kind = METHODS[config.method.name]
    with naming(f"method {config.method.name!r}"):
        own = kind.shape(config) if issubclass(kind, DeepMethod) else ()
    shape = (config.method.name, config.code_length, config.image.model_dump(), config.model.model_dump(), train, own)
    return json.dumps(shape)


def stackable(config: Config) -> bool:
    """Whether a stack gives each run the bits that it has alone.

    The CPU's kernels work on vectors and blocks of up to 32 numbers, and what is left over at the end of an array goes
    another way, with other roundings. Runs lie one after another in a stack, so that an end of one is no end there:
    only where a batch is a multiple of 32, and so is every array of a run, is nothing left over. On CUDA no bits are
    promised, and every batch is stacked.
    """
    on_cuda = config.train.device != "cpu" and torch.cuda.is_available()
    return on_cuda or config.train.batch_size % _BATCH_UNIT == 0


def step_seconds(configs: Sequence[Config], dataset: Dataset, steps: int = 4) -> float:
    """Times a stacked training step; nothing is kept.

    Args:
        configs: Of one stack key.
        dataset: As for fit.
        steps: How many are timed, after a first one that is not.

    Returns:
        Seconds, the median.
    """
    data = prepared(configs[0], dataset)
    stack = Stack([Run(config, data, Ending()) for config in configs])
    with _numerics(configs[0]):
        seconds = stack.train_epoch(steps + 1)
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


def _train(runs: Sequence[Run]) -> list[Hasher | Exception]:
    with _numerics(runs[0].config):
        for run in runs:
            run.begin()
        if issubclass(runs[0].method, DeepMethod):
            stack = Stack(runs)
            while stack.keep_active():
                start = time.perf_counter()
                stack.train_epoch()
                seconds = (time.perf_counter() - start) / len(stack.runs)
                for run in stack.runs:
                    run.end_epoch(seconds, stack.memory_of(run))
        return [run.result() for run in runs]
