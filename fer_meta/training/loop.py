"""One training loop for every method, with checkpoints, and a resume that ends with the same numbers as no
interruption.

Each step's batch is a function of the seed and the step alone, so resuming needs the weights, the optimiser
and the step, and no state of any random generator.
"""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fer_meta.device import autocast
from fer_meta.errors import DivergedError
from fer_meta.methods.base import FewShotMethod, TrainingConfig
from fer_meta.records.history import validation_of
from fer_meta.tasks.protocol import Protocol
from fer_meta.training import checkpoints

# Mean loss and accuracy are logged this many times in a training.
LOG_POINTS = 100


def build(
    method_class: type[FewShotMethod],
    config: TrainingConfig,
    protocol: Protocol,
    classes,
    image_size: int,
    seed: int,
    device,
) -> FewShotMethod:
    """A method with the initial weights of `seed`; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        method = method_class(config, protocol, classes, image_size)
    # torch's types of `to` lack memory_format
    return method.to(device, memory_format=method.memory_format)  # type: ignore[call-overload]


def fit(
    method: FewShotMethod,
    config: TrainingConfig,
    steps: int,
    batch_at: Callable[[int], object],
    validate: Callable[[], checkpoints.Validated],
    folder: Path,
    progress: Callable[[int, float, dict[str, float]], None] = lambda step, accuracy, validation: None,
) -> None:
    """Train `method` in place for `steps` steps, from where `folder` says it was.

    Writes `history.jsonl`, `checkpoints/step-*.safetensors` (one per validation) and `resume.pt`. `progress`
    gets the steps done, the last training accuracy that was logged and the last validation (readout -> value,
    0 to 1). Raises DivergedError if the loss is not finite, and ResumeError, before anything is done, if the
    folder is not as an earlier part of this training left it.
    """
    optimiser = new_optimiser(method, config)
    start, history = checkpoints.resume(folder, method, optimiser)
    validation = next(filter(None, map(validation_of, reversed(history))), {})
    validate_at = {round(steps * (i + 1) / config.validations) for i in range(config.validations)} | {steps}
    log_every = max(1, steps // LOG_POINTS)
    unread: list[Tensor] = []
    began = time.perf_counter() - (history[-1]["seconds"] if history else 0)
    method.train()
    for step in range(start, steps):
        for group in optimiser.param_groups:
            group["lr"] = config.lr * _schedule(config, step / steps, step)
        unread.append(train_step(method, config, optimiser, batch_at(step)))
        done = step + 1
        if done % log_every and done not in validate_at:
            progress(done, history[-1]["train_accuracy"] if history else float("nan"), validation)
            continue
        # Read now and then only: on a GPU each reading waits for all that was sent there.
        losses, accuracies = torch.stack(unread).T.tolist()
        for back, loss in enumerate(reversed(losses)):
            if not math.isfinite(loss):
                raise DivergedError(
                    f"the loss became {loss} at step {done - back}; lower `lr` in the suite file"
                )
        row: dict[str, Any] = {
            "step": done,
            "loss": float(np.mean(losses)),
            "train_accuracy": float(np.mean(accuracies)),
        }
        if done in validate_at:
            method.eval()
            row |= validate()
            validation = validation_of(row)
            method.train()
        history.append({**row, "seconds": round(time.perf_counter() - began, 2)})
        if done in validate_at:
            checkpoints.save(folder, method, optimiser, done, history)
        progress(done, row["train_accuracy"], validation)
        unread = []
    method.eval()
    if not steps:  # a network that is used as it is
        checkpoints.save(folder, method, optimiser, 0, [{"step": 0, **validate(), "seconds": 0.0}])


def train_step(
    method: FewShotMethod, config: TrainingConfig, optimiser: torch.optim.Optimizer, batch
) -> Tensor:
    """One optimiser step: the mean loss and accuracy, as a tensor [2] on the method's device.

    Tasks are back-propagated one after the other, so that memory holds the graph of one, however many a step
    has.
    """
    parts = batch if isinstance(batch, list) else [batch]  # tasks, or labelled images
    optimiser.zero_grad(set_to_none=True)
    measured = []
    for part in parts:
        with autocast(config.precision, next(method.parameters()).device):
            loss, accuracy = method.loss(part)
        (loss / len(parts)).backward()
        measured.append(torch.stack([loss.detach(), accuracy.detach()]))
    optimiser.step()
    return torch.stack(measured).mean(dim=0)


def new_optimiser(method: FewShotMethod, config: TrainingConfig) -> torch.optim.Optimizer:
    """The optimiser that a method is trained with. The weights of convolutions and linear layers decay;
    biases and the scales and shifts of BatchNorm, which have one dimension, do not (He et al., Bag of tricks,
    CVPR 2019, section 3.1).
    """
    parameters = list(method.parameters())
    groups = [
        {"params": [one for one in parameters if one.dim() > 1], "weight_decay": config.weight_decay},
        {"params": [one for one in parameters if one.dim() <= 1], "weight_decay": 0.0},
    ]
    if config.optimiser == "sgd":
        return torch.optim.SGD(groups, config.lr, momentum=0.9, nesterov=True)
    return (torch.optim.AdamW if config.optimiser == "adamw" else torch.optim.Adam)(groups, config.lr)


def _schedule(config: TrainingConfig, share: float, step: int) -> float:
    rise = min(1.0, (step + 1) / config.warmup) if config.warmup else 1.0
    if config.schedule == "cosine":
        return rise * 0.5 * (1 + math.cos(math.pi * share))
    return rise * 0.5 ** (step // config.halve_every) if config.schedule == "halving" else rise
