"""One training loop for every method, with checkpoints, and a resume that ends with the same numbers as no interruption.

Each step's batch is a function of the seed and the step alone, so resuming needs the weights, the optimiser and the step, and no state
of any random generator.
"""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fer_meta.algorithms.base import Episode, FewShotMethod, TrainingConfig
from fer_meta.device import autocast
from fer_meta.errors import FerMetaError
from fer_meta.files import replacing, write_text
from fer_meta.images import augment, fetch, normalise
from fer_meta.tasks.episodes import Episodes
from fer_meta.tasks.pools import Domain
from fer_meta.tasks.protocol import Protocol

# Mean loss and accuracy are logged this many times in a training.
LOG_POINTS = 100


def build(module, config: TrainingConfig, protocol: Protocol, classes, image_size: int, seed: int, device) -> FewShotMethod:
    """A method with the initial weights of `seed`; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        method = module.Method(config, protocol, classes, image_size)
    return method.to(device, memory_format=method.memory_format)


def batches(method: FewShotMethod, config: TrainingConfig, domain: Domain, protocol: Protocol, seed: int, device):
    """`(steps, batch_at)`: how many steps to train, and the batch of each step as a function of its number."""
    if method.episodic:
        return config.steps, _episodic(config, domain, protocol, seed, device)
    per_epoch = math.ceil(len(domain.train) / config.batch)
    return min(config.steps, config.max_epochs * per_epoch), _supervised(config, domain, seed, device)


def _episodic(config, domain, protocol, seed, device) -> Callable[[int], list[Episode]]:
    pool, shape = domain.train, protocol.train
    episodes = Episodes(pool, shape, f"train/{seed}", config.steps * config.batch)
    support_labels, query_labels = (
        torch.arange(shape.way, device=device).repeat_interleave(n) for n in (shape.shots, shape.queries)
    )

    def batch_at(step: int) -> list[Episode]:
        generator = torch.Generator().manual_seed(_step_seed(seed, step))
        return [episode(episodes[step * config.batch + i], generator) for i in range(config.batch)]

    def episode(rows: np.ndarray, generator: torch.Generator) -> Episode:
        images = _pixels(domain.images, rows.ravel(), device, generator if config.augment else None)
        images = images.unflatten(0, rows.shape)
        support, query = images[:, : shape.shots].flatten(0, 1), images[:, shape.shots :].flatten(0, 1)
        return Episode(support, support_labels, query, query_labels, pool.class_names(rows[:, 0]))

    return batch_at


def _supervised(config, domain, seed, device):
    pool = domain.train
    per_epoch = math.ceil(len(pool) / config.batch)

    def batch_at(step: int):
        epoch, part = divmod(step, per_epoch)
        order = np.random.default_rng([seed, epoch]).permutation(len(pool))
        chosen = order[part * config.batch : (part + 1) * config.batch]
        if len(chosen) == 1:  # BatchNorm has no statistics of a single image
            chosen = np.append(chosen, order[0])
        generator = torch.Generator().manual_seed(_step_seed(seed, step)) if config.augment else None
        labels = torch.from_numpy(pool.labels[chosen]).to(device)
        return _pixels(domain.images, pool.rows[chosen], device, generator), labels

    return batch_at


def _step_seed(seed: int, step: int) -> int:
    return int(np.random.SeedSequence([seed, step]).generate_state(1)[0])


def _pixels(images, rows, device, generator):
    batch = fetch(images, rows, device)
    return normalise(batch if generator is None else augment(batch, generator))


def fit(
    method: FewShotMethod,
    config: TrainingConfig,
    steps: int,
    batch_at: Callable[[int], object],
    validate: Callable[[], float],
    folder: Path,
    progress: Callable[[int, float, float], None] = lambda step, accuracy, validation: None,
) -> None:
    """Train `method` in place for `steps` steps, from where `folder` says it was.

    Writes `history.jsonl`, `checkpoints/step-*.safetensors` (one a validation) and `resume.pt`. `progress` is told the steps done, the
    last training accuracy that was logged and the last validation accuracy. Raises FerMetaError when the loss is no longer finite.
    """
    optimiser = new_optimiser(method, config)
    start, history = _resume(folder, method, optimiser)
    validation = next((row["val_accuracy"] for row in reversed(history) if "val_accuracy" in row), float("nan"))
    validate_at = {round(steps * (i + 1) / config.validations) for i in range(config.validations)} | {steps}
    log_every = max(1, steps // LOG_POINTS)
    unread = []
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
                raise FerMetaError(f"the loss became {loss} at step {done - back}; lower `lr` in the suite file")
        row = {"step": done, "loss": float(np.mean(losses)), "train_accuracy": float(np.mean(accuracies))}
        if done in validate_at:
            method.eval()
            row["val_accuracy"] = validation = validate()
            method.train()
        history.append({**row, "seconds": round(time.perf_counter() - began, 2)})
        if done in validate_at:
            _save(folder, method, optimiser, done, history)
        progress(done, row["train_accuracy"], validation)
        unread = []
    method.eval()


def train_step(method: FewShotMethod, config: TrainingConfig, optimiser: torch.optim.Optimizer, batch) -> Tensor:
    """One optimiser step: the mean loss and accuracy, as a tensor [2] on the method's device.

    Tasks are back-propagated one after the other, so that memory holds the graph of one, however many a step has.
    """
    parts = [[episode] for episode in batch] if method.episodic else [batch]
    optimiser.zero_grad(set_to_none=True)
    told = 0
    for part in parts:
        with autocast(config.precision, next(method.parameters()).device):
            loss, accuracy = method.loss(part)
        (loss / len(parts)).backward()
        told = told + torch.stack([loss.detach(), accuracy.detach()])
    optimiser.step()
    return told / len(parts)


def snapshots(folder: Path) -> dict[int, Path]:
    """The checkpoints of a trained model: step -> file, in order."""
    return {int(path.stem.split("-")[1]): path for path in sorted((folder / "checkpoints").glob("step-*.safetensors"))}


def read_history(folder: Path) -> list[dict]:
    """The rows of `history.jsonl`; none if it is not there."""
    path = folder / "history.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def load_snapshot(method: nn.Module, path: Path) -> None:
    """Weights and buffers of a checkpoint into `method`, which is left in evaluation mode."""
    method.load_state_dict(load_file(path))
    method.eval()


def new_optimiser(method: FewShotMethod, config: TrainingConfig) -> torch.optim.Optimizer:
    """The optimiser that a method is trained with."""
    if config.optimiser == "sgd":
        return torch.optim.SGD(
            method.parameters(), config.lr, momentum=0.9, nesterov=True, weight_decay=config.weight_decay
        )
    return torch.optim.AdamW(method.parameters(), config.lr, weight_decay=config.weight_decay)


def _schedule(config: TrainingConfig, share: float, step: int) -> float:
    if config.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * share))
    return 0.5 ** (step // config.halve_every) if config.schedule == "halving" else 1.0


def _save(folder: Path, method, optimiser, step: int, history: list[dict]) -> None:
    """Checkpoint and history first: a kill before `resume.pt` is replaced only repeats the last stretch."""
    with replacing(folder / "checkpoints" / f"step-{step:06d}.safetensors") as temporary:
        save_file({key: value.contiguous() for key, value in method.state_dict().items()}, temporary)
    write_text(folder / "history.jsonl", "".join(json.dumps(row) + "\n" for row in history))
    with replacing(folder / "resume.pt") as temporary:
        torch.save({"step": step, "method": method.state_dict(), "optimiser": optimiser.state_dict()}, temporary)


def _resume(folder: Path, method, optimiser) -> tuple[int, list[dict]]:
    path = folder / "resume.pt"
    if not path.exists():
        return 0, []
    device = next(method.parameters()).device
    state = torch.load(path, map_location=device, weights_only=True)
    method.load_state_dict(state["method"])
    optimiser.load_state_dict(state["optimiser"])
    return state["step"], [row for row in read_history(folder) if row["step"] <= state["step"]]
