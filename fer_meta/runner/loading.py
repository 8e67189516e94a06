"""The data sets of a bench: decoded, or rendered once."""

from collections.abc import Mapping
from pathlib import Path

import click
import torch

from fer_meta.datasets.cache import CachedFaces, unreadable_line
from fer_meta.datasets.registry import load
from fer_meta.datasets.synthetic.rendered import is_cached, planned
from fer_meta.device import renderer_device
from fer_meta.errors import MachineError
from fer_meta.runner.executors.workers import Died, Workers
from fer_meta.runner.progress import clock
from fer_meta.suites.schema import Suite
from fer_meta.words import people

# Images of 64 px a second on two CPU cores (benchmarks/rendering.py), for the time that a bench announces.
RENDERED_A_SECOND = 80


def load_all(
    suite: Suite, roots: Mapping[str, Path | None], device: torch.device, dry_run: bool, workers: Workers
) -> list[CachedFaces]:
    """Decode or render every data set, the latter by a worker; in a dry run, what would have to be rendered
    is only planned.
    """
    size, number = suite.image_size, suite.rendered.images
    people_of = suite.rendered.model_dump(include={"subjects", "images", "seed"})
    rendered = [name for name, root in roots.items() if root is None]
    if rendered:
        click.echo(
            f"rendered faces: {', '.join(rendered)}; for photographs give --data NAME=PATH (see `fer-meta"
            " data list`)"
        )
    faces = []
    for name, root in roots.items():
        missing = root is None and not is_cached(name, size=size, **people_of)
        if missing:
            click.echo(
                f"{'to be rendered' if dry_run else 'rendering'}: {name}, {number:,} images of"
                f" {people(suite.rendered.subjects)}, {size} px; about {clock(number / RENDERED_A_SECOND)} on"
                " two CPU cores, once"
            )
        if missing and dry_run:
            faces.append(planned(name, size=size, **people_of))
            continue
        if missing:
            workers.at_most(1).each(
                [name],
                lambda name, _: load(name, None, size, device=renderer_device(device), **people_of),
                _not_rendered,
            )
        faces.append(load(name, root, size, **people_of))
        if line := unreadable_line(faces[-1]):
            click.echo(line)
    return faces


def _not_rendered(name: str, died: Died) -> None:
    raise MachineError(f"{name}: was not rendered ({died}); run the same command again")
