"""The protocol: ways, shots, queries, what support and query must not share, and which images count.

These models are the schema of a suite file's `protocol`; every field enters the identity of a run and is
shown in its result.
"""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from fer_meta.config import Strict

Disjoint = Literal["nothing", "image", "clip", "subject"]
SupportClips = Literal["any", "one"]


MOST_IN_TASK = 10_000
"""Images of one task: its support and its queries."""

MOST_ASKED = 50_000_000
"""Images of all test or validation episodes of one number of shots."""

ONE_CLIP = (
    "one: all support of a class from one clip, that of an image drawn at random, as the 2022 note's sampler"
    " did; the photographs of a class that belong to no clip count as one"
)


class EpisodeShape(Strict):
    """One N-way K-shot Q-query episode: `way` classes, `shots` support and `queries` query images of each.

    In a pool of several data sets all of an episode is from one of them, or with `query_from: other` the
    support from one and the queries from another.
    """

    way: int = Field(5, ge=2, le=100)
    shots: int = Field(5, ge=1, le=1000)
    queries: int = Field(15, ge=1, le=1000)
    disjoint: Disjoint = Field(
        "image",
        description="what the support and the query never share; in a suite file, by default as in the test",
    )
    support_clips: SupportClips = Field("any", description=ONE_CLIP)
    query_from: Literal["same", "other"] = Field(
        "same",
        description=(
            "for a source of several data sets: whether the queries are from the data set of the support, or"
            " from another"
        ),
        json_schema_extra={"since": "0.2"},
    )

    @model_validator(mode="after")
    def _fits_memory(self):
        if self.way * self.images_per_class > MOST_IN_TASK:
            raise ValueError(
                f"a task of {self.way} ways, {self.shots} shots and {self.queries} queries has more than"
                f" {MOST_IN_TASK:,} images"
            )
        return self

    @property
    def images_per_class(self) -> int:
        return self.shots + self.queries


class Validation(EpisodeShape):
    """The episodes that choose a checkpoint, drawn from a validation split, never from the test images."""

    queries: int = Field(5, ge=1, le=1000)
    episodes: int = Field(200, ge=1, le=100_000)

    @model_validator(mode="after")
    def _few_enough(self):
        _check_asked(self.episodes, self.way * self.images_per_class)
        return self


def _check_asked(episodes: int, images: int) -> None:
    if episodes * images > MOST_ASKED:
        raise ValueError(
            f"{episodes:,} episodes of {images:,} images each need more than {MOST_ASKED:,} images"
        )


LEAVE_ONE_SUBJECT_OUT = "leave-one-subject-out"

SPLIT = (
    "must be three shares such as [0.4, 0.2, 0.4], or for cross-validation {folds: 10} or"
    f" {LEAVE_ONE_SUBJECT_OUT}"
)


class Folds(Strict):
    """Cross-validation: people (else clips, else distinct images) are divided into so many folds."""

    folds: int = Field(ge=2, le=1000)


class Protocol(Strict):
    """How every method of a suite is trained, selected and tested."""

    way: int = Field(5, ge=2, le=100, description="classes in a test episode")
    shots: tuple[int, ...] = Field(
        (1, 5), min_length=1, max_length=20, description="support images per class, one column each"
    )
    queries: Literal["all"] | int = Field(
        15,
        description=("query images per class; all: every test image of the target is a query exactly once"),
    )
    episodes: int = Field(
        600, ge=2, le=100_000, description="test episodes, the same for every method and seed"
    )
    tested_classes: Literal["seen", "unseen"] = Field(
        "seen",
        description=(
            "seen: classes that source and target both have; unseen: the target's that the source lacks"
        ),
    )
    support_from: Literal["target", "source-train"] = Field(
        "target",
        description=(
            "whose images are the support: the target's test images, or source images held out of training"
        ),
    )
    held_out: int = Field(
        50,
        ge=1,
        le=100_000,
        description=(
            "for source-train: training images per class that are held out and only support; what shares a"
            " copy, clip or person with them (with `disjoint: image` a copy, with `nothing` nothing) is not"
            " trained on either"
        ),
    )
    disjoint: Disjoint = Field(
        "image",
        description=(
            "what support and query must not share; nothing: drawn independently, so that a query may be a "
            "copy of a support image; a data set without clips has one image per clip"
        ),
    )
    support_clips: SupportClips = Field("any", description=ONE_CLIP)
    batchnorm: Literal["eval", "batch", "target"] = Field(
        "eval",
        description=(
            "eval: no query is normalised with another query's statistics; batch: transductive; target:"
            " AdaBN, at test with the statistics of the target's test images, without their labels"
        ),
    )
    copies: Literal["removed", "near-removed", "kept"] = Field(
        "removed",
        description=(
            "test images identical to a training, validation or other test image; near-removed: nearly"
            " identical ones too"
        ),
    )
    small_classes: Literal["exclude", "error"] = Field(
        "exclude", description="what becomes of a class with too few images for one episode"
    )
    split: tuple[float, float, float] | Folds | Literal["leave-one-subject-out"] = Field(
        (0.4, 0.2, 0.4),
        description=(
            "train, val and test shares of a data set without official splits; or cross-validation, which"
            " ignores these"
        ),
    )
    carve: float = Field(
        0.1,
        ge=0,
        lt=1,
        description=(
            "share of an official training split that becomes val; 0: none, and validated is on what is"
            " trained on"
        ),
    )
    train: EpisodeShape = EpisodeShape(way=5, shots=5, queries=10)
    validation: Validation = Validation(way=5, shots=5, queries=5, episodes=200)

    @model_validator(mode="before")
    @classmethod
    def _train_as_tested(cls, values):
        """Training and validation keep apart what the test keeps apart, unless they say otherwise."""
        if not isinstance(values, dict):
            return values
        values, tested = (
            dict(values),
            {key: values[key] for key in ("disjoint", "support_clips") if key in values},
        )
        for name in ("train", "validation"):
            shape = values.get(name, cls.model_fields[name].default)
            shape = shape.model_dump(exclude_unset=True) if isinstance(shape, EpisodeShape) else shape
            values[name] = {**tested, **shape} if isinstance(shape, dict) else shape
        return values

    @field_validator("queries")
    @classmethod
    def _queries_positive(cls, queries):
        if queries != "all" and not 1 <= queries <= 1000:
            raise ValueError(
                "queries must be at least 1, or all"
                if queries < 1
                else "queries must be at most 1000, or all"
            )
        return queries

    @field_validator("shots")
    @classmethod
    def _shots_positive_and_distinct(cls, shots):
        if min(shots) < 1 or max(shots) > 1000 or len(set(shots)) != len(shots):
            raise ValueError("shots must be distinct, at least 1 and at most 1000")
        return tuple(sorted(shots))

    @field_validator("split", mode="before")
    @classmethod
    def _split_of_a_kind(cls, split):
        """One error for the field, and not one for each kind that it might have been."""
        numbers = (
            isinstance(split, tuple)
            and len(split) == 3
            and all(type(share) in (int, float) for share in split)
        )
        if not (
            numbers
            or isinstance(split, Folds)
            or split == LEAVE_ONE_SUBJECT_OUT
            or (isinstance(split, dict) and list(split) == ["folds"])
        ):
            raise ValueError(SPLIT)
        if isinstance(split, dict) and (type(split["folds"]) is not int or not 2 <= split["folds"] <= 1000):
            raise ValueError("folds must be a whole number from 2 to 1000")
        return split

    @field_validator("split")
    @classmethod
    def _split_in_tenths(cls, split):
        if not isinstance(split, tuple):
            return split
        tenths = [round(10 * share) for share in split]
        if min(tenths) < 1 or sum(tenths) != 10 or any(abs(10 * s - t) > 1e-6 for s, t in zip(split, tenths)):
            raise ValueError("the three shares must be tenths that add up to 1, such as [0.4, 0.2, 0.4]")
        return split

    @model_validator(mode="after")
    def _fields_fit(self):
        if self.support_from == "target" and self.queries == "all":
            raise ValueError(
                "queries: all needs support_from: source-train, because a support image cannot be a query too"
            )
        if self.support_from == "source-train" and self.tested_classes == "unseen":
            raise ValueError(
                "support_from: source-train has no images of classes that the source lacks; use"
                " tested_classes: seen"
            )
        if self.cross_validated and self.tested_classes == "unseen":
            raise ValueError(
                "cross-validation tests a data set on itself, where no class is unseen; use tested_classes:"
                " seen"
            )
        if self.support_from == "source-train" and self.held_out < max(self.shots):
            few = f"held_out: {self.held_out} images per class are too few for {max(self.shots)} shots"
            raise ValueError(few)
        if self.queries != "all":
            _check_asked(self.episodes, self.way * self.test_shape(max(self.shots)).images_per_class)
        return self

    def test_shape(self, shots: int) -> EpisodeShape:
        """The shape of a test episode with `shots` support images per class and a fixed number of queries."""
        assert self.queries != "all"
        return EpisodeShape(
            way=self.way,
            shots=shots,
            queries=self.queries,
            disjoint=self.disjoint,
            support_clips=self.support_clips,
        )

    @property
    def batchnorm_on_source(self) -> str:
        """As `batchnorm`, of training and of validation on the source, which never know the target."""
        return "eval" if self.batchnorm == "target" else self.batchnorm

    @property
    def removes_near_copies(self) -> bool:
        return self.copies == "near-removed"

    @property
    def cross_validated(self) -> bool:
        """Whether a data set is divided into folds, each of which is tested once."""
        return not isinstance(self.split, tuple)

    @property
    def fewest_test_classes(self) -> int:
        """How many classes a target must have: where each image is a query once, its episodes have the
        source's classes.
        """
        return 1 if self.queries == "all" else self.way

    @property
    def fewest_source_classes(self) -> int:
        """How many classes a source must have; the folds of a cross-validation that tests each image once
        take all that there are.
        """
        return (
            self.train.way
            if self.cross_validated and self.queries == "all"
            else max(self.train.way, self.way)
        )

    @property
    def test_images_per_class(self) -> int:
        """How many test images a class must have to be tested at all."""
        own_support = max(self.shots) if self.support_from == "target" else 0
        return own_support + (1 if self.queries == "all" else self.queries)
