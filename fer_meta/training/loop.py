"""One training loop for every method, with checkpoints, and a resume that ends with the same numbers as no
interruption.

Each step's batch is a function of the seed and the step alone, so resuming needs the weights, the optimiser
and the step, and no state of any random generator.
"""

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from fer_meta.device import autocast
from fer_meta.errors import DivergedError
from fer_meta.methods.base import Episode, FewShotMethod, LabelledImages, TrainingConfig
from fer_meta.records.history import validation_of
from fer_meta.tasks.protocol import Protocol
from fer_meta.training import checkpoints, ends
from fer_meta.training.batches import images_in
from fer_meta.training.ends import Moment

if TYPE_CHECKING:
    from fer_meta.training.team import Team


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
    batch_at: Callable[[int], LabelledImages | list[Episode]],
    validate: Callable[[], checkpoints.Validated],
    folder: Path,
    progress: Callable[[Moment, float, dict[str, float]], None] = lambda now, accuracy, validation: None,
    seconds: float | None = None,
    team: "Team | None" = None,
) -> None:
    """Train `method` in place for `steps` steps, or until the first step after `seconds` seconds of training
    if these are given, from where `folder` says it was.

    Writes `history.jsonl`, `checkpoints/step-*.safetensors` (one per validation) and `resume.pt`. `progress`
    gets how far the training is, the last training accuracy that was logged and the last validation (readout
    -> value, 0 to 1). The others of a `team`, which this process leads, `follow`. Raises DivergedError if the
    loss is not finite, and ResumeError, before anything is done, if the folder is not as an earlier part of
    this training left it.
    """
    optimiser = new_optimiser(method, config)
    start, history = checkpoints.resume(folder, method, optimiser)
    if team:
        team.begin(method, optimiser)
    n = config.validations
    end = ends.by_steps(steps, n) if seconds is None else ends.by_seconds(seconds, n)
    last = history[-1] if history else {"images": 0}
    images = last.get("images")  # None: the training was begun by a version that did not count
    validation = next(filter(None, map(validation_of, reversed(history))), {})
    clock = _Clock(last)
    now = Moment(start, clock.trained())
    unread: list[Tensor] = []
    method.train()
    while end.share(now) < 1:
        lr = config.lr * _schedule(config, end.share(now), now.steps)
        if team:
            team.order(now.steps, lr)
        batch = batch_at(now.steps)
        unread.append(train_step(method, config, _at(lr, optimiser), batch, team))
        images = None if images is None else images + images_in(batch)
        before, now = now, Moment(now.steps + 1, clock.trained())
        if not end.logs(before, now):
            progress(now, history[-1]["train_accuracy"] if history else float("nan"), validation)
            continue
        row = _read(now.steps, unread) | {"images": images, "train_seconds": round(clock.trained(), 2)}
        unread = []
        validated = end.validates(before, now)
        with clock.stopped():
            if validated:
                method.eval()
                row |= validate()
                validation = validation_of(row)
                method.train()
            history.append({**row, "seconds": round(clock.whole(), 2)})
            if validated:
                checkpoints.save(folder, method, optimiser, now.steps, history)
        progress(now, row["train_accuracy"], validation)
    if team:
        team.order(goes_on=False)
    method.eval()
    if not steps:  # a network that is used as it is
        row = {"step": 0, **validate(), "images": 0, "seconds": 0.0, "train_seconds": 0.0}
        checkpoints.save(folder, method, optimiser, 0, [row])


def follow(
    method: FewShotMethod,
    config: TrainingConfig,
    batch_at: Callable[[int], LabelledImages | list[Episode]],
    team: "Team",
) -> None:
    """Take part in a training that another process of the team leads: do a share of each of its steps, and
    write nothing.
    """
    optimiser = new_optimiser(method, config)
    team.begin(method, optimiser)
    method.train()
    while (order := team.order()) is not None:
        step, lr = order
        train_step(method, config, _at(lr, optimiser), batch_at(step), team)


def _at(lr: float, optimiser: torch.optim.Optimizer) -> torch.optim.Optimizer:
    for group in optimiser.param_groups:
        group["lr"] = lr
    return optimiser


def _read(step: int, unread: list[Tensor]) -> dict[str, Any]:
    """The mean loss and accuracy of the steps since the last reading, of which `step` is the last.

    Read now and then only: on a GPU each reading waits for all that was sent there.
    """
    losses, accuracies = torch.stack(unread).T.tolist()
    for back, loss in enumerate(reversed(losses)):
        if not math.isfinite(loss):
            raise DivergedError(f"the loss became {loss} at step {step - back}; lower `lr` in the suite file")
    return {"step": step, "loss": float(np.mean(losses)), "train_accuracy": float(np.mean(accuracies))}


class _Clock:
    """Seconds since a training began, its earlier parts included: all of them, and those not stopped.
    `last`: the last log point of the earlier part.
    """

    def __init__(self, last: dict[str, Any]):
        whole = last.get("seconds", 0.0)
        self._began = time.perf_counter() - whole
        self._stopped = whole - last.get("train_seconds", whole)

    def whole(self) -> float:
        return time.perf_counter() - self._began

    def trained(self) -> float:
        return self.whole() - self._stopped

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self._stopped += time.perf_counter() - began


def train_step(
    method: FewShotMethod,
    config: TrainingConfig,
    optimiser: torch.optim.Optimizer,
    batch: LabelledImages | list[Episode],
    team: "Team | None" = None,
) -> Tensor:
    """One optimiser step: the mean loss and accuracy, as a tensor [2] on the method's device. Of a `team`,
    each does its share, and all end with the same weights.

    Tasks are back-propagated one after the other, so that memory holds the graph of one, however many a step
    has.
    """
    # tasks, or labelled images
    parts: list = batch if isinstance(batch, list) else [batch]
    device = next(method.parameters()).device
    optimiser.zero_grad(set_to_none=True)
    parted = []
    for part, weight in team.share(parts) if team else [(part, 1 / len(parts)) for part in parts]:
        with autocast(config.precision, device):
            loss, accuracy = method.loss(part)
        (loss * weight).backward()
        parted.append(torch.stack([loss.detach(), accuracy.detach()]) * weight)
    measured = torch.stack(parted).sum(dim=0)
    if team:
        measured = team.add_up(method.parameters(), measured)
    optimiser.step()
    return measured


def new_optimiser(method: FewShotMethod, config: TrainingConfig) -> torch.optim.Optimizer:
    """The optimiser that a method is trained with. The weights of convolutions and linear layers decay;
    biases, and scales and shifts of channels, [C] or [C, 1, 1], do not (He et al., Bag of tricks, CVPR 2019,
    section 3.1).
    """
    kinds: dict[bool, list[Tensor]] = {True: [], False: []}
    for one in method.parameters():
        kinds[one.shape[1:] not in ((), (1, 1))].append(one)
    groups = [
        {"params": kinds[True], "weight_decay": config.weight_decay},
        {"params": kinds[False], "weight_decay": 0.0},
    ]
    if config.optimiser == "sgd":
        return torch.optim.SGD(groups, config.lr, momentum=0.9, nesterov=True)
    return (torch.optim.AdamW if config.optimiser == "adamw" else torch.optim.Adam)(groups, config.lr)


def _schedule(config: TrainingConfig, share: float, step: int) -> float:
    rise = min(1.0, (step + 1) / config.warmup) if config.warmup else 1.0
    if config.schedule == "cosine":
        return rise * 0.5 * (1 + math.cos(math.pi * share))
    return rise * 0.5 ** (step // config.halve_every) if config.schedule == "halving" else rise
