"""Fine-tuning of the whole network on the support, task after task (Dhillon, Chaudhari, Ravichandran and
Soatto, A Baseline for Few-Shot Image Classification, ICLR 2020, without its transductive term).
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from fer_meta.methods.readouts.heads import SCALE
from fer_meta.methods.readouts.means import class_means
from fer_meta.methods.readouts.tasks import Pixels, Tasks

STEPS, LR = 25, 5e-5
"""Adam's steps on the whole support, and its learning rate: the paper's, the same for all its data sets."""


def whole_network(tasks: Tasks) -> Tensor:
    """Each task trains a copy of the network, and a cosine head that begins at the class means.

    There is nothing random: BatchNorm keeps the statistics of training, and nothing is augmented.
    """
    answers = [_tuned(tasks, tasks.pixels(task)) for task in range(len(tasks.support))]
    return torch.stack(answers).to(tasks.query)


def _tuned(tasks: Tasks, pixels: Pixels) -> Tensor:
    """One task: logits [Q, way]."""
    network: Any = copy.deepcopy(tasks.network)

    def unit(images: Tensor) -> Tensor:
        return normalize(network.embed(images), dim=1)

    with torch.no_grad():
        start = normalize(class_means(unit(pixels.support), tasks.labels, tasks.way), dim=1)
    head = nn.Parameter(start)
    optimiser = torch.optim.Adam([*network.requires_grad_().parameters(), head], LR)
    with torch.enable_grad():
        for _ in range(STEPS):
            optimiser.zero_grad()
            logits = SCALE * unit(pixels.support) @ normalize(head, dim=1).T
            cross_entropy(logits, tasks.labels).backward()
            optimiser.step()
    with torch.no_grad():
        parts = [SCALE * unit(part) @ normalize(head, dim=1).T for part in pixels.query]
    return torch.cat(parts)
