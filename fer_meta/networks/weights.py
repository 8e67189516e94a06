"""Initial weights: none, those that a backbone is published with, or a file."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import click
import torch
from torch import Tensor, nn

from fer_meta.damage import expected
from fer_meta.errors import FerMetaError
from fer_meta.oneline import one_line

State = Mapping[str, Tensor]

NAMED = ("none", "imagenet", "bundled")
"""Values of `weights` that are no file. imagenet: downloaded once; bundled: ImageNet's out of a Python
package.
"""

# Under what a checkpoint may keep its state dict.
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network")


def load(
    network: nn.Module, name: str, weights: str, published: Mapping[str, Callable[[], State]] = {}
) -> None:
    """Load `weights` into `network`, which has no head: one of NAMED, or the path of a state dict.
    `published` gets those of NAMED that the backbone `name` has.

    Raises FerMetaError if the weights cannot be had or are not those of this network.
    """
    if weights == "none":
        return
    if weights in published:
        state = published[weights]()
    elif weights in NAMED:
        there = ", ".join(["none", *published])
        raise FerMetaError(f"{name} has no {weights} weights; give {said('FILE')}, or one of {there}")
    else:
        state = read_state(Path(weights))
    wrong = fit(network, state)
    if wrong:
        fix = f"give a file of {name}, or another `backbone`"
        raise FerMetaError(f"{weights}: not weights of {name} ({wrong}); {fix}")


def fit(network: nn.Module, state: State) -> str:
    """Load what `state` has for `network`, whatever prefix its names have ("module.", "backbone."); its head
    is left out. Returns what is wrong, in words, and then loads nothing; "" if it fits.
    """
    wanted = network.state_dict()
    needed = [name for name in wanted if not name.endswith("num_batches_tracked")]
    prefix = _prefix(needed, state)
    given = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    missing = [name for name in needed if name not in given]
    if missing:
        return f"{len(missing)} of {len(needed)} entries are missing, the first {missing[0]}"
    parts = {name.split(".")[0] for name in wanted}
    # A deeper network of the same family holds all of a shallower one: what is left may only be a head.
    unknown = [name for name in given if name not in wanted and name.split(".")[0] in parts]
    if unknown:
        return f"{len(unknown)} entries are of another network, the first {one_line(unknown[0], 60)}"
    for name in needed:
        if given[name].shape != wanted[name].shape:
            return f"{name} is {tuple(given[name].shape)} and not {tuple(wanted[name].shape)}"
        if not given[name].isfinite().all():
            return f"{name} holds values that are no finite numbers"
    network.load_state_dict({name: given.get(name, value) for name, value in wanted.items()})
    return ""


def fetched(url: str) -> dict[str, Tensor]:
    """The state dict at `url`, from torch's cache; fetched once if it is not there. Raises FerMetaError if it
    cannot be fetched, or if the file in the cache is damaged.
    """
    path = Path(torch.hub.get_dir(), "checkpoints", url.rpartition("/")[2])
    if not path.exists():
        click.echo(f"fetching {url}", err=True)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(path), _hash_in(path.name))
        except (OSError, RuntimeError) as error:  # RuntimeError: its hash is not the one in its name
            raise FerMetaError(
                f"{url} could not be fetched ({one_line(str(error), 120)}); put this file at {path}, or start"
                f" from random weights: {said('none')}"
            ) from error
    return read_state(path, "remove it, and it is fetched again")


def said(value: str) -> str:
    """How initial weights are given, on the command line and in a suite."""
    return f"`--weights {value}` (in a suite file `weights: {value}`)"


def _hash_in(file: str) -> str | None:
    """The first digits of its SHA-256 that the name of a published file ends in."""
    found = re.search("-([0-9a-f]{8,})[.]", file)
    return found and found[1]


def read_state(path: Path, fix: str = "save `model.state_dict()` alone") -> dict[str, Tensor]:
    """A state dict from a file of torch (.pth, .pt; bare or wrapped in `state_dict`, `model_state_dict`,
    `model`, `net` or `network`) or of safetensors. Nothing but tensors is ever unpickled.

    Raises FerMetaError, which ends in `fix`: there is no such file, or it is none of these.
    """
    check_file(path)
    with expected(path, "cannot be read as a state dict", fix, FerMetaError):
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(content, Mapping):
        inner = next((content[key] for key in _WRAPPERS if isinstance(content.get(key), Mapping)), content)
        if state := {str(name): value for name, value in inner.items() if isinstance(value, Tensor)}:
            return state
    raise FerMetaError(f"{path}: holds no state dict; save `model.state_dict()`")


def check_file(path: Path) -> None:
    """Raises FerMetaError if there is no file at `path`. A pipe would keep its reader waiting."""
    if not path.is_file():
        wrong = "is not a file" if path.exists() else "no such file"
        raise FerMetaError(f"{path}: {wrong}; `weights` is {', '.join(NAMED)} or the path of a state dict")


def _prefix(wanted: list[str], state: State) -> str:
    """What stands before the names of most of the `wanted` entries in `state`."""
    ends = [name[: -len(wanted[0])] for name in state if name.endswith(wanted[0])]
    found = [end for end in ends if not end or end.endswith(".")]
    return max(found, key=lambda end: sum(end + name in state for name in wanted), default="")
