"""What is asked of a method: ways, shots, queries, what support and query must not share, and which images count.

These models are the schema of a suite file's `protocol`; every field enters the identity of a run.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Strict(BaseModel):
    """Immutable, and an unknown key is an error rather than a setting silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class EpisodeShape(Strict):
    """One N-way K-shot Q-query episode: `way` classes, `shots` support and `queries` query images of each."""

    way: int = Field(5, ge=2)
    shots: int = Field(5, ge=1)
    queries: int = Field(15, ge=1)

    @property
    def images_per_class(self) -> int:
        return self.shots + self.queries


class Validation(EpisodeShape):
    """The episodes that choose a checkpoint, drawn from a validation split, never from the test images."""

    queries: int = Field(5, ge=1)
    episodes: int = Field(200, ge=1)


class Protocol(Strict):
    """How every method of a suite is trained, selected and tested."""

    way: int = Field(5, ge=2, description="classes in a test episode")
    shots: tuple[int, ...] = Field((1, 5), min_length=1, description="support images a class, one column each")
    queries: int = Field(15, ge=1, description="query images a class")
    episodes: int = Field(600, ge=2, description="test episodes, the same for every method and seed")
    disjoint: Literal["image", "clip", "subject"] = Field(
        "image", description="what the support and the query of an episode must not share; a data set without clips has one image a clip"
    )
    batchnorm: Literal["eval", "batch"] = Field(
        "eval", description="eval: no query is normalised with another query's statistics; batch: transductive"
    )
    copies: Literal["removed", "kept"] = Field(
        "removed", description="test images identical to a training, validation or other test image"
    )
    small_classes: Literal["exclude", "error"] = Field(
        "exclude", description="what becomes of a class with too few images for one episode"
    )
    split: tuple[float, float, float] = Field(
        (0.4, 0.2, 0.4), description="train, val and test shares of a data set without official splits"
    )
    carve: float = Field(0.1, gt=0, lt=1, description="share of an official training split that becomes val")
    train: EpisodeShape = EpisodeShape(way=5, shots=5, queries=10)
    validation: Validation = Validation(way=5, shots=5, queries=5, episodes=200)

    @field_validator("shots")
    @classmethod
    def _shots_positive_and_distinct(cls, shots):
        if min(shots) < 1 or len(set(shots)) != len(shots):
            raise ValueError("shots must be distinct and at least 1")
        return tuple(sorted(shots))

    @field_validator("split")
    @classmethod
    def _split_in_tenths(cls, split):
        tenths = [round(10 * share) for share in split]
        if min(tenths) < 1 or sum(tenths) != 10 or any(abs(10 * s - t) > 1e-6 for s, t in zip(split, tenths)):
            raise ValueError("the three shares must be tenths that add up to 1, such as [0.4, 0.2, 0.4]")
        return split

    def test_shape(self, shots: int) -> EpisodeShape:
        """The shape of a test episode with `shots` support images a class."""
        return EpisodeShape(way=self.way, shots=shots, queries=self.queries)
