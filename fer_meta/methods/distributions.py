"""What a search draws the values of a hyper-parameter from.

A distribution is named beside the default, in the annotation of the method's setting:
`lr: Annotated[float, LogUniform(1e-4, 1e-2)] = Field(1e-3, gt=0)`. A setting without one is never searched.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from pydantic import BaseModel

Value = bool | int | float | str

# Drawn numbers are rounded to so many digits: people read them in tables and type them into suite files, and
# the last bits of `exp` are the machine's.
DIGITS = 3


class Distribution(Protocol):
    def draw(self, generator: np.random.Generator) -> Value:
        """A value."""


@dataclass(frozen=True)
class Uniform:
    """A number from `low` to `high`, each equally likely."""

    low: float
    high: float

    def draw(self, generator: np.random.Generator) -> float:
        return _rounded(generator.uniform(self.low, self.high))


@dataclass(frozen=True)
class LogUniform:
    """A number from `low` to `high`, both above 0, whose logarithm is uniform: 10 times as much is as likely
    wherever it begins.
    """

    low: float
    high: float

    def draw(self, generator: np.random.Generator) -> float:
        return _rounded(np.exp(generator.uniform(np.log(self.low), np.log(self.high))))


@dataclass(frozen=True)
class Choice:
    """One of `values`, each equally likely."""

    values: tuple[Value, ...]

    def draw(self, generator: np.random.Generator) -> Value:
        return self.values[generator.integers(len(self.values))]


def distributions(config: type[BaseModel]) -> dict[str, Distribution]:
    """The distributions that the settings of a method name, by the names of the settings."""
    return {
        name: one
        for name, field in config.model_fields.items()
        for one in field.metadata
        if isinstance(one, Uniform | LogUniform | Choice)
    }


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
