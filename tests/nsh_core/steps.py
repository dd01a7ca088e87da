"""Under torchrun: steps of training, then a whole run by the command; see test_distributed.py."""

import json
import sys

import torch
from safetensors.torch import save_file

from nsh_core import load_dataset, make_config
from nsh_core.__main__ import app
from nsh_core.distributed import gathered, own_part, processes, rank, size, sum_gradients
from nsh_core.model import forward_together
from nsh_core.training.run import Ending, Run


def step(out: str, dataset: str, settings: list[str]) -> None:
    """Writes loss, gradients and buffers of the first step to OUT-PROCESSES.safetensors."""
    config = make_config({}, ["code_length=16", *settings])
    run = Run(config, load_dataset(dataset), Ending())
    # Backbones hand on float32.
    kind = torch.float32 if run.model.backbone else torch.float64
    run.model.to(kind)
    order = run.begin_epoch()
    views = run.views(order[: config.train.batch_size])
    items = [torch.cat([own_part(view) for view in views]).to(kind)]
    first, second = (gathered(half) for half in forward_together([run.model], items).halves())
    terms = run.method([config])(first, second, [run.generator])
    terms["loss"].sum().backward()
    sum_gradients(run.model.parameters())
    weights = run.model.named_parameters()
    found = {f"gradient {name}": own.grad for name, own in weights if own.grad is not None}
    found |= dict(run.model.named_buffers()) | {"loss": terms["loss"].detach()}
    if rank() == 0:
        save_file({name: tensor.contiguous() for name, tensor in found.items()}, f"{out}-{size()}.safetensors")


if __name__ == "__main__":
    steps, command = json.loads(sys.argv[1])
    with processes():
        for order in steps:
            step(*order)
        app(command, standalone_mode=False)
