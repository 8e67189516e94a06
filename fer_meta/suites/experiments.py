"""Experiments of a suite file: who plays which role, what is mixed, and what is trained and tested on what.

A suite without experiments crosses its domains. One with experiments names roles (`basic`, `film`), so that
the same file runs on the data sets it was written for, on rendered ones that stand in for them, or on a
user's own.
"""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field, model_validator

from fer_meta.config import Strict
from fer_meta.oneline import UNPRINTABLE
from fer_meta.tasks.protocol import Protocol


def _printable(text: str) -> str:
    if UNPRINTABLE.search(text):
        raise ValueError("must be one line, without line breaks and control characters")
    return text


def _distinct(values: tuple) -> tuple:
    twice = next((value for number, value in enumerate(values) if value in values[:number]), None)
    if twice is not None:
        raise ValueError(f"{twice!r} is given twice; keep one")
    return values


Item = TypeVar("Item")
Distinct = Annotated[tuple[Item, ...], Field(min_length=1, max_length=1000), AfterValidator(_distinct)]
Line = Annotated[str, Field(min_length=1, max_length=300), AfterValidator(_printable)]
Selection = Literal["source-val", "last", "oracle"]
# Names of experiments and mixtures begin the names of folders and files.
Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@+-]*$", max_length=60)]


class Role(Strict):
    """A part in a suite's experiments: the data set it was written for, and the rendered one that is used if
    none is given.
    """

    data: Line
    rendered: Line


class Part(Strict):
    """Images of a role that go into a mixture: of these official splits (all three: all images) and, if
    `clips` is given, of these clips of each class.
    """

    role: str
    splits: Distinct[Literal["train", "val", "test"]] = ("train",)
    clips: dict[str, Distinct[str]] | None = None


class Mixture(Strict):
    """Parts mixed for training; `per_class` brings every class to that many images, by a random subset or by
    repeats.

    `published` are the images per class that others report of the same mixture: a mixture of the data it was
    written for that has others is named with the classes that differ.
    """

    parts: tuple[Part, ...] = Field(min_length=1, max_length=100)
    per_class: int | None = Field(None, ge=2, le=1_000_000)
    published: dict[str, int] = Field({}, max_length=1000)


class Figure(Strict):
    """A published figure: whose, how much (0 to 1), and what it really is."""

    method: Line
    figure: float = Field(ge=0, le=1)
    reading: Literal["test accuracy", "training accuracy, printed as evaluation"] = "test accuracy"
    note: Line | Literal[""] = ""


class Experiment(Strict):
    """One comparison: every method trained on a role or a mixture and tested on a role.

    `protocol` is the suite's with what the experiment changes. `against` names the experiment that this one
    is compared with: the same models, tested in another way, or the same apart from what `title` says.
    `faults` are those of the published figures, `carries` those that this experiment repeats on purpose.
    """

    title: Line
    train: str
    test: str
    protocol: Protocol
    # The alias is the name of older hashes.
    methods: Distinct[str] | None = Field(
        None, serialization_alias="algorithms", description="only these of the suite's"
    )
    training: dict[str, dict[str, Any]] = Field(
        {}, description="what differs from the suite's settings of a method"
    )
    all_images: bool = Field(
        False, description="test on all images of the role, whatever their official split"
    )
    checkpoint: Selection = Field("source-val", description="the one shown beside the published figures")
    published: tuple[Figure, ...] = Field((), max_length=1000)
    faults: tuple[int, ...] = Field((), max_length=100)
    carries: tuple[int, ...] = Field((), max_length=100)
    against: str | None = None

    @model_validator(mode="after")
    def _not_tested_on_what_it_was_trained_on(self):
        if self.all_images and self.train == self.test:
            raise ValueError(
                f"all_images: {self.test} would be tested on the images that were trained on; train on"
                " another role"
            )
        return self


class Primary(Strict):
    """The one contrast that a suite is for, named before anything is run: accuracy of `first` less that of
    `second`.

    `over` and `less` are "across" (all targets that are not the source), "within" (the source's own test
    images) or experiments' names.
    """

    first: Line = "supervised-ncm"
    second: Line = "protonet"
    shots: int = Field(5, ge=1, le=1000)
    over: Line = "across"
    less: Line | None = Field("within", description="subtract what `first` is ahead by there")
    margin: float | None = Field(
        None,
        gt=0,
        lt=1,
        json_schema_extra={"since": "0.2"},
        description="accuracy of 0 to 1: a difference within it, either way, counts as none",
    )

    @model_validator(mode="after")
    def _of_two(self):
        for one, other in (("first", "second"), ("over", "less")):
            if getattr(self, one) == getattr(self, other):
                raise ValueError(
                    f"`{one}` and `{other}` are both {getattr(self, one)!r}, so that it is always 0; name two"
                )
        return self
