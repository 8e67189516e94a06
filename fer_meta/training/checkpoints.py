"""What a training leaves on disk: checkpoints, the history, and the state that it goes on from."""

import hashlib
import io
import re
from collections.abc import Collection
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from fer_meta.damage import expected, reason_of
from fer_meta.errors import ResultsError
from fer_meta.fileio import digest, replacing
from fer_meta.records.history import HISTORY, read_history, validation_of, write_history
from fer_meta.records.seals import DONE, broken_seal, seal

RESUME = "resume.pt"
"""What a training goes on from: a digest, then torch's file of weights, optimiser, history and the digests of
the checkpoints so far.
"""

# One of METRICS -> readout -> its value, 0 to 1.
Validated = dict[str, dict[str, float]]

_DIGEST_BYTES = 16
_STEP = re.compile(r"step-([0-9]{1,12})[.]safetensors")


class ResumeError(Exception):
    """What an interrupted training left is damaged; `forget` it and begin again."""


def damage(folder: Path) -> str | None:
    """What is wrong with the folder of a finished model, in words; None if nothing is. Somebody may have
    deleted `checkpoints` to free disk space.
    """
    return broken_seal(folder) or (None if snapshots(folder) else "checkpoints were deleted")


def finish(folder: Path) -> None:
    """Seal the folder of a model that is trained."""
    seal(
        folder,
        [HISTORY, *(path.relative_to(folder).as_posix() for path in snapshots(folder).values())],
    )
    (folder / RESUME).unlink(missing_ok=True)


def snapshots(folder: Path) -> dict[int, Path]:
    """The checkpoints of a trained model: step -> file, in order."""
    files = ((_STEP.fullmatch(path.name), path) for path in (folder / "checkpoints").glob("step-*"))
    return dict(sorted((int(name[1]), path) for name, path in files if name))


def read_validations(folder: Path) -> dict[int, dict[str, float]]:
    """What was validated on the source in a training: step -> readout -> value, 0 to 1."""
    return {row["step"]: found for row in read_history(folder) if (found := validation_of(row))}


def load_snapshot(method: nn.Module, path: Path) -> None:
    """Weights and buffers of a checkpoint into `method`, which is left in evaluation mode. Raises
    ResultsError for a damaged one.
    """
    fix = f"delete {path.parents[1]} and run the bench again"
    with expected(path, "is no checkpoint of this method", fix, ResultsError):
        method.load_state_dict(load_file(path))
    method.eval()


def drop_snapshots(folder: Path) -> None:
    """Seal the log alone of a model that is trained, and remove its checkpoints: nobody will test them."""
    seal(folder, [HISTORY])
    for path in snapshots(folder).values():
        path.unlink()


def forget(folder: Path) -> None:
    """Remove all that a training left in the folder of its model. It then begins again."""
    for path in (folder / DONE, folder / RESUME, folder / HISTORY, *snapshots(folder).values()):
        path.unlink(missing_ok=True)


def save(folder: Path, method, optimiser, step: int, history: list[dict]) -> None:
    """The resume state comes last and knows all the rest: a kill before it is replaced only repeats the last
    stretch.
    """
    with replacing(folder / "checkpoints" / f"step-{step:06d}.safetensors") as temporary:
        save_file({key: value.contiguous() for key, value in method.state_dict().items()}, temporary)
    write_history(folder, history)
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


def resume(folder: Path, method, optimiser) -> tuple[int, list[dict]]:
    """The step to go on from and the history up to it. A checkpoint that was written just before a kill, and
    is not known to the state, goes: a training by the clock may not come by its step again. Raises
    ResumeError unless state and checkpoints are as they were written.
    """
    path = folder / RESUME
    if not path.exists():
        _keep(folder, ())
        return 0, []
    content = path.read_bytes()
    if content[:_DIGEST_BYTES] != _digest(content[_DIGEST_BYTES:]):
        raise ResumeError(f"{path.name} is damaged")
    try:
        return _go_on(folder, method, optimiser, content[_DIGEST_BYTES:])
    except ResumeError:
        raise
    except Exception as error:  # anybody can write a right digest before anything
        raise ResumeError(f"{path.name} is damaged ({reason_of(error)})") from None


def _go_on(folder: Path, method, optimiser, content: bytes) -> tuple[int, list[dict]]:
    device = next(method.parameters()).device
    state = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    there = snapshots(folder)
    for step, kept in state["checkpoints"].items():
        if int(step) not in there or digest(there[int(step)]) != kept:
            raise ResumeError(f"the checkpoint of step {step} is missing or was changed")
    _keep(folder, state["checkpoints"])
    method.load_state_dict(state["method"])
    optimiser.load_state_dict(state["optimiser"])
    write_history(folder, state["history"])
    return int(state["step"]), state["history"]


def _keep(folder: Path, steps: Collection[str]) -> None:
    """Remove the checkpoints of all other steps."""
    for step, path in snapshots(folder).items():
        if str(step) not in steps:
            path.unlink()


def _digest(content) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()
