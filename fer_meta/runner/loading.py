"""The data sets of a bench: decoded, or rendered once."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path

import click
import torch

from fer_meta.datasets.cache import CachedFaces, unreadable_line
from fer_meta.datasets.registry import load
from fer_meta.datasets.synthetic.rendered import is_cached, planned
from fer_meta.device import renderer_device
from fer_meta.errors import MachineError
from fer_meta.runner.executors.workers import Died, Workers
from fer_meta.runner.options import BenchOptions
from fer_meta.runner.progress import clock
from fer_meta.suites.schema import Suite
from fer_meta.words import many, people

# Seconds of a core for an image of 64 px (benchmarks/rendering.py), for the time that a bench announces.
RENDERED_IN = 0.025


def to_render(suite: Suite, roots: Mapping[str, Path | None]) -> list[str]:
    """The data sets that are rendered and are not in the cache."""
    decided = _decided(suite)
    return [name for name, root in roots.items() if root is None and not is_cached(name, **decided)]


def rendering_seconds(suite: Suite, sets: int) -> float:
    """How long so many data sets take to be rendered by the cores of this machine."""
    return sets * suite.rendered.images * RENDERED_IN / (os.cpu_count() or 1)


def load_all(
    suite: Suite,
    roots: Mapping[str, Path | None],
    missing: Collection[str],
    device: torch.device,
    options: BenchOptions,
    workers: Workers,
) -> list[CachedFaces]:
    """Decode or render every data set, those that are `missing` by a worker; in a dry run they are only
    planned.
    """
    decided = _decided(suite)
    if rendered := [name for name, root in roots.items() if root is None]:
        hint = "; for photographs give --data NAME=PATH (see `fer-meta data list`)"
        click.echo(f"rendered faces: {', '.join(rendered)}{'' if options.data else hint}")
    faces = []
    for name, root in roots.items():
        if name in missing:
            click.echo(
                f"{'to be rendered' if options.dry_run else 'rendering'}: {name},"
                f" {suite.rendered.images:,} images of {people(suite.rendered.subjects)},"
                f" {suite.image_size} px; about {clock(rendering_seconds(suite, 1))} on"
                f" {many(os.cpu_count() or 1, 'CPU core')}, once"
            )
        if name in missing and options.dry_run:
            faces.append(planned(name, **decided))
            continue
        if name in missing:
            workers.at_most(1).each(
                [name],
                lambda name, _: load(name, None, device=renderer_device(device), **decided),
                _not_rendered,
            )
        faces.append(load(name, root, **decided))
        if line := unreadable_line(faces[-1]):
            click.echo(line)
    return faces


def _decided(suite: Suite) -> dict[str, int]:
    """What decides a rendered data set, but its name."""
    return {"size": suite.image_size, **suite.rendered.model_dump(include={"subjects", "images", "seed"})}


def _not_rendered(name: str, died: Died) -> None:
    raise MachineError(f"{name}: was not rendered ({died}); run the same command again")
