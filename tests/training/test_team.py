"""What a process of a team does with its gradients, and when another has died. Teams of several processes are
in `runner/test_elsewhere.py`.
"""

import pytest
import torch
from helpers.methods import an_episode, build

from fer_meta.methods import registry
from fer_meta.methods.base import LabelledImages
from fer_meta.training import loop
from fer_meta.training.shares import share
from fer_meta.training.team import Team

pytestmark = pytest.mark.numeric


class Alone(Team):
    """A team of one, which needs no connection."""

    size, leads = 1, True

    def __init__(self, error: Exception | None = None):
        self.error = error

    def share(self, parts):
        return share(parts, 0, 1)

    def _sum(self, tensor):
        if self.error:
            raise self.error
        return tensor


def trained(team):
    """Weights after a step of the first stage, whose loss lacks the scale, and two of the second, whose loss
    lacks the head.
    """
    torch.manual_seed(0)
    config = registry.load("meta_baseline").Config(steps=3)
    method, task = build("meta_baseline").train(), an_episode()
    optimiser = loop.new_optimiser(method, config)
    for batch in (LabelledImages(task.query, task.query_labels), [task], [task]):
        loop.train_step(method, config, optimiser, batch, team)
    return dict(method.named_parameters())


def test_a_weight_that_a_stage_does_not_use_stays_as_it_is():
    whole = trained(None)
    for name, weight in trained(Alone()).items():
        torch.testing.assert_close(weight, whole[name], rtol=0, atol=0)


def test_a_process_ends_with_another_of_its_team_and_a_full_memory_is_said():
    with pytest.raises(SystemExit):
        Alone(RuntimeError("Connection closed by peer")).order()
    with pytest.raises(torch.OutOfMemoryError):
        Alone(torch.OutOfMemoryError()).order()
