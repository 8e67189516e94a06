"""Several processes, each with a device of its own, that train one model together, by Lightning Fabric.

The first leads: it alone reads and writes files, validates and tests. The others hold the same weights and do
their share of each step. https://lightning.ai/docs/fabric
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from lightning_fabric.strategies import DDPStrategy
from torch import Tensor, nn

from fer_meta.training.shares import Part, share

# The others wait as long as the first validates or tests.
_PATIENCE = timedelta(days=7)


def place(number: int, port: int) -> dict[str, str]:
    """The variables of the environment by which the `number`-th process of this machine (from 0) finds the
    others.
    """
    return {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "NODE_RANK": str(number),  # each sees one device, as a node of its own would
        "LOCAL_RANK": "0",
    }


@contextmanager
def _with_the_others() -> Iterator[None]:
    """If another process of the team has died, this one ends too, and the job is given out again: an error
    would count as one of the run.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError:  # gloo's for a closed connection, and the base of torch.distributed's
        sys.exit(1)


class Team:
    """`size` processes, of which this is one; all make theirs at about the same time, and wait for each
    other.
    """

    def __init__(self, size: int, device: torch.device):
        self.size = size
        strategy = DDPStrategy(cluster_environment=LightningEnvironment(), timeout=_PATIENCE)
        self._fabric = Fabric(accelerator=device.type, devices=1, num_nodes=size, strategy=strategy)
        self._fabric.launch()

    @property
    def leads(self) -> bool:
        return self._fabric.global_rank == 0

    @_with_the_others()
    def begin(self, method: nn.Module, optimiser: torch.optim.Optimizer) -> None:
        """All go on from the first's weights and optimiser."""
        states = self._fabric.broadcast([method.state_dict(), optimiser.state_dict()])
        if not self.leads:
            method.load_state_dict(states[0])
            optimiser.load_state_dict(states[1])

    @_with_the_others()
    def order(self, step: int = 0, lr: float = 0.0, goes_on: bool = True) -> tuple[int, float] | None:
        """The step and learning rate that the first gives; None at the end of the training."""
        given = [step, lr, goes_on] if self.leads else [0.0] * 3
        step, lr, goes_on = self._sum(torch.tensor(given, dtype=torch.float64)).tolist()
        return (int(step), lr) if goes_on else None

    def share(self, parts: Sequence[Part]) -> list[tuple[Part, float]]:
        """This process's share of a step, as `shares.share` has it."""
        return share(parts, self._fabric.global_rank, self.size)

    @_with_the_others()
    def add_up(self, parameters: Iterable[nn.Parameter], measured: Tensor) -> Tensor:
        """Make the gradients the sums of all processes' gradients, and return that sum of `measured`. What
        none has a gradient for gets none: an optimiser passes over it, and would let a zero decay.
        """
        own = list(parameters)
        has = measured.new_tensor([one.grad is not None for one in own])
        grads = [one.grad if one.grad is not None else torch.zeros_like(one) for one in own]
        whole = self._sum(torch.cat([measured, has, *(grad.flatten() for grad in grads)]))
        sums = whole.split([len(measured), len(own), *(grad.numel() for grad in grads)])
        for one, grad, some in zip(own, sums[2:], sums[1].tolist()):
            one.grad = grad.view_as(one) if some else None
        return sums[0]

    def _sum(self, tensor: Tensor) -> Any:
        return self._fabric.all_reduce(tensor.to(self._fabric.device), reduce_op="sum")
