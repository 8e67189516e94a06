"""One training loop for every method, with checkpoints, and a resume that ends with the same numbers as no
interruption.

Each step's batch is a function of the seed and the step alone, so resuming needs the weights, the optimiser
and the step, and no state of any random generator.
"""

import hashlib
import io
import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fer_meta.algorithms.base import Episode, FewShotMethod, LabelledImages, TrainingConfig
from fer_meta.device import autocast
from fer_meta.errors import FerMetaError
from fer_meta.files import DONE, broken_seal, digest, replacing, seal, write_text
from fer_meta.images import augment, fetch, normalise
from fer_meta.tasks.batches import balanced_batches, class_shares, natural_batches
from fer_meta.tasks.episodes import Episodes
from fer_meta.tasks.pools import Domain, Pool
from fer_meta.tasks.protocol import Protocol

# Mean loss and accuracy are logged this many times in a training.
LOG_POINTS = 100

RESUME = "resume.pt"
"""What a training goes on from: a digest, then torch's file of weights, optimiser, history and the digests of
the checkpoints so far.
"""

METRICS = ("val_uar", "val_accuracy")
"""What `history.jsonl` calls a validation by recall averaged over classes, and one by accuracy in episodes.
"""

# One of METRICS -> readout -> its value, 0 to 1.
Validated = dict[str, dict[str, float]]

_DIGEST_BYTES = 16


class ResumeError(Exception):
    """What an interrupted training left behind is damaged; `forget` it and begin anew."""


def build(
    module, config: TrainingConfig, protocol: Protocol, classes, image_size: int, seed: int, device
) -> FewShotMethod:
    """A method with the initial weights of `seed`; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        method = module.Method(config, protocol, classes, image_size)
    return method.to(device, memory_format=method.memory_format)


def batches(
    method: FewShotMethod, config: TrainingConfig, domain: Domain, protocol: Protocol, seed: int, device
):
    """`(steps, batch_at)`: how many steps to train, and the batch of each step as a function of its
    number.
    """
    if method.episodic:
        return config.steps, _episodic(config, domain, protocol, seed, device)
    per_epoch = math.ceil(len(domain.train) / config.batch)
    return min(config.steps, config.max_epochs * per_epoch), _supervised(config, domain, seed, device)


def training_chance(method: FewShotMethod, config: TrainingConfig, pool: Pool, protocol: Protocol) -> float:
    """The training accuracy (0 to 1) of a method that learned nothing from the images of `pool`: that of the
    best constant answer.
    """
    if method.episodic:
        return 1 / protocol.train.way
    return 1 / len(pool.classes) if config.class_balance == "balanced" else float(class_shares(pool).max())


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


def _supervised(config, domain, seed, device) -> Callable[[int], LabelledImages]:
    pool = domain.train
    order = balanced_batches if config.class_balance == "balanced" else natural_batches
    chosen_at = order(pool.labels, config.batch, seed)
    added = (
        torch.from_numpy(np.log(class_shares(pool))).float().to(device)
        if config.class_balance == "logit-adjusted"
        else 0.0
    )

    def batch_at(step: int) -> LabelledImages:
        chosen = chosen_at(step)
        generator = torch.Generator().manual_seed(_step_seed(seed, step)) if config.augment else None
        labels = torch.from_numpy(pool.labels[chosen]).to(device)
        return LabelledImages(_pixels(domain.images, pool.rows[chosen], device, generator), labels, added)

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
    validate: Callable[[], Validated],
    folder: Path,
    progress: Callable[[int, float, dict[str, float]], None] = lambda step, accuracy, validation: None,
) -> None:
    """Train `method` in place for `steps` steps, from where `folder` says it was.

    Writes `history.jsonl`, `checkpoints/step-*.safetensors` (one a validation) and `resume.pt`. `progress` is
    told the steps done, the last training accuracy that was logged and the last validation (readout -> value,
    0 to 1). Raises FerMetaError when the loss is no longer finite, ResumeError, before anything is done, when
    the folder is not as an earlier part of this training left it.
    """
    optimiser = new_optimiser(method, config)
    start, history = _resume(folder, method, optimiser)
    validation = next(filter(None, map(validation_of, reversed(history))), {})
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
                raise FerMetaError(
                    f"the loss became {loss} at step {done - back}; lower `lr` in the suite file"
                )
        row = {"step": done, "loss": float(np.mean(losses)), "train_accuracy": float(np.mean(accuracies))}
        if done in validate_at:
            method.eval()
            row |= validate()
            validation = validation_of(row)
            method.train()
        history.append({**row, "seconds": round(time.perf_counter() - began, 2)})
        if done in validate_at:
            _save(folder, method, optimiser, done, history)
        progress(done, row["train_accuracy"], validation)
        unread = []
    method.eval()


def train_step(
    method: FewShotMethod, config: TrainingConfig, optimiser: torch.optim.Optimizer, batch
) -> Tensor:
    """One optimiser step: the mean loss and accuracy, as a tensor [2] on the method's device.

    Tasks are back-propagated one after the other, so that memory holds the graph of one, however many a step
    has.
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


def damage(folder: Path) -> str | None:
    """What is wrong with the folder of a finished model, in words; None if it serves. Somebody may have
    deleted `checkpoints` to free disk.
    """
    return broken_seal(folder) or (None if snapshots(folder) else "checkpoints were deleted")


def finish(folder: Path) -> None:
    """Seal the folder of a model that is trained."""
    seal(
        folder,
        ["history.jsonl", *(path.relative_to(folder).as_posix() for path in snapshots(folder).values())],
    )
    (folder / RESUME).unlink(missing_ok=True)


def snapshots(folder: Path) -> dict[int, Path]:
    """The checkpoints of a trained model: step -> file, in order."""
    found = {
        int(path.stem.split("-")[1]): path for path in (folder / "checkpoints").glob("step-*.safetensors")
    }
    return dict(sorted(found.items()))


def read_history(folder: Path) -> list[dict]:
    """The rows of `history.jsonl`; none if it is not there."""
    path = folder / "history.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def validation_of(row: dict) -> dict[str, float]:
    """What a row of the history says of each readout, the own head first; nothing of a row without
    validation.
    """
    return {readout: value for metric in METRICS for readout, value in row.get(metric, {}).items()}


def read_validations(folder: Path) -> dict[int, dict[str, float]]:
    """What was validated on the source in a training: step -> readout -> value, 0 to 1."""
    return {row["step"]: found for row in read_history(folder) if (found := validation_of(row))}


def load_snapshot(method: nn.Module, path: Path) -> None:
    """Weights and buffers of a checkpoint into `method`, which is left in evaluation mode."""
    method.load_state_dict(load_file(path))
    method.eval()


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


def forget(folder: Path) -> None:
    """Remove all that a training left in the folder of its model, which then begins anew."""
    for path in (folder / DONE, folder / RESUME, folder / "history.jsonl", *snapshots(folder).values()):
        path.unlink(missing_ok=True)


def _save(folder: Path, method, optimiser, step: int, history: list[dict]) -> None:
    """The resume state comes last and knows all the rest: a kill before it is replaced only repeats the last
    stretch.
    """
    with replacing(folder / "checkpoints" / f"step-{step:06d}.safetensors") as temporary:
        save_file({key: value.contiguous() for key, value in method.state_dict().items()}, temporary)
    _write_history(folder, history)
    content = io.BytesIO()
    torch.save(
        {
            "step": step,
            "method": method.state_dict(),
            "optimiser": optimiser.state_dict(),
            "history": history,
            "checkpoints": {str(one): digest(path) for one, path in snapshots(folder).items() if one <= step},
        },
        content,
    )
    with replacing(folder / RESUME) as temporary, temporary.open("wb") as file:
        file.write(_digest(content.getbuffer()))
        file.write(content.getbuffer())


def _resume(folder: Path, method, optimiser) -> tuple[int, list[dict]]:
    """The step to go on from and the history up to it. Raises ResumeError unless state and checkpoints are as
    they were written.
    """
    path = folder / RESUME
    if not path.exists():
        return 0, []
    content = path.read_bytes()
    if content[:_DIGEST_BYTES] != _digest(content[_DIGEST_BYTES:]):
        raise ResumeError(f"{path.name} is damaged")
    device = next(method.parameters()).device
    state = torch.load(io.BytesIO(content[_DIGEST_BYTES:]), map_location=device, weights_only=True)
    there = snapshots(folder)
    for step, kept in state["checkpoints"].items():
        if int(step) not in there or digest(there[int(step)]) != kept:
            raise ResumeError(f"the checkpoint of step {step} is missing or was changed")
    method.load_state_dict(state["method"])
    optimiser.load_state_dict(state["optimiser"])
    _write_history(folder, state["history"])
    return state["step"], state["history"]


def _write_history(folder: Path, history: list[dict]) -> None:
    write_text(folder / "history.jsonl", "".join(json.dumps(row) + "\n" for row in history))


def _digest(content) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()
