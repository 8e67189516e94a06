"""Experiments of a suite file: who plays which role, what is mixed, and what is trained and tested on what.

A suite without experiments crosses its domains. One with experiments names roles (`basic`, `film`), so that the same file runs on the
data sets it was written for, on rendered ones that stand in for them, or on a user's own.
"""

from typing import Literal

from pydantic import Field

from fer_meta.tasks.protocol import Protocol, Strict


class Role(Strict):
    """A part in a suite's experiments: the data set it was written for, and the rendered one that stands in if none is given."""

    data: str
    rendered: str


class Part(Strict):
    """Images of a role that go into a mixture: of these official splits and, if `clips` is given, of these clips of each class."""

    role: str
    splits: tuple[Literal["train", "val", "test"], ...] = Field(("train",), min_length=1)
    clips: dict[str, tuple[str, ...]] | None = None


class Mixture(Strict):
    """Parts mixed for training; `per_class` brings every class to that many images, by a random subset or by repeats."""

    parts: tuple[Part, ...] = Field(min_length=1)
    per_class: int | None = Field(None, ge=2)


class Figure(Strict):
    """A published figure: whose, how much (0 to 1), and what it really is."""

    method: str
    figure: float = Field(ge=0, le=1)
    reading: Literal["test accuracy", "training accuracy, printed as evaluation"] = "test accuracy"
    note: str = ""


class Experiment(Strict):
    """One comparison: every method trained on a role or a mixture and tested on a role.

    `protocol` is the suite's with what the experiment changes. `against` names the experiment that this one is compared with:
    the same models, tested in another way, or the same but for what `title` says. `faults` are those of the published figures.
    """

    title: str
    train: str
    test: str
    protocol: Protocol
    algorithms: tuple[str, ...] | None = Field(None, min_length=1, description="only these of the suite's")
    published: tuple[Figure, ...] = ()
    faults: tuple[int, ...] = ()
    against: str | None = None
