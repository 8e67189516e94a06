"""A suite small enough for tests, and what they read of its results."""

from pathlib import Path

import pandas as pd

SUITE = """\
name: tiny
title: Drawn faces
image_size: 32
seeds: [0]
protocol:
  way: 5
  shots: [1, 2]
  queries: 3
  episodes: 12
  train: {way: 5, shots: 2, queries: 3}
  validation: {way: 5, shots: 2, queries: 2, episodes: 4}
algorithms:
  protonet: {steps: 6, validations: 3}
  relationnet: {steps: 4, validations: 2}
  maml: {steps: 2, validations: 2, inner_steps: 1, first_order: true}
  supervised: {steps: 4, validations: 2, batch: 16, backbone: conv4}
presets: {quick: {}}
"""


def folders(path: Path) -> dict[str, Path]:
    return {p.name: p for p in sorted(path.iterdir())}


def numbers(out: Path) -> pd.DataFrame:
    """The accuracy in every episode of a results folder."""
    parts = [
        pd.read_parquet(p / "predictions.parquet").assign(run=p.name)
        for p in sorted((out / "tiny" / "runs").iterdir())
    ]
    answers = pd.concat(parts, ignore_index=True)
    answers["accuracy"] = (answers["label"].astype(str) == answers["predicted"].astype(str)).astype(float)
    keys = ["run", "readout", "shots", "selection", "episode"]
    return (
        answers.astype({"readout": str, "selection": str})
        .groupby(keys, as_index=False, sort=False)["accuracy"]
        .mean()
    )


EXPERIMENTS = """\
classes: [anger, happiness, neutral, sadness, surprise]
roles:
  light: {data: day, rendered: synthetic-studio}
  dark: {data: night, rendered: synthetic-film}
mixtures:
  both: {parts: [{role: light}, {role: dark}]}
experiments:
  plain: {title: Light to dark, train: light, test: dark}
  leaky:
    {title: The same with leaks, train: light, test: dark, against: plain,
     protocol: {disjoint: nothing, train: {disjoint: image}, validation: {disjoint: image}}}
  mixed:
    title: Both to dark, every image asked
    train: both
    test: dark
    algorithms: [protonet, supervised]
    protocol: {way: 5, support_from: source-train, held_out: 4, queries: all, shots: [2], episodes: 6}
presets: {quick: {}}"""
