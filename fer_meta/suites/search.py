"""What a suite file says of the search for hyper-parameters: `search`."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator, model_validator

from fer_meta import plugins
from fer_meta.config import Strict
from fer_meta.methods.base import NetworkConfig, TrainingConfig
from fer_meta.methods.distributions import Value, distributions
from fer_meta.suites.experiments import Distinct
from fer_meta.suites.settings import Fault, plain

# They decide what a training costs, or how often it may pick a checkpoint.
NEVER = ("steps", "max_epochs", "batch", "tasks", "share", "validations", "precision")

MOST_SETTINGS = 1000


class Search(Strict):
    """Each method is trained on each source under several settings, and the best is the one that the bench
    then trains with its seeds. The settings are `draws`, or all combinations of `values`; the suite's own is
    always the first of them.
    """

    draws: int | None = Field(
        None, ge=2, le=MOST_SETTINGS, description="settings, from the distributions of the method's Config"
    )
    values: dict[str, Distinct[Value]] = Field({}, description="setting -> the values that are tried")
    budget: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="the share of a whole training that each of the search takes, such as 1/3"
    )
    seed: int = Field(
        1000, ge=0, le=2**32 - 1, description="of the draws and of their trainings; none of the suite's"
    )

    @field_validator("budget", mode="before")
    @classmethod
    def _fraction(cls, value):
        try:
            return float(Fraction(value)) if isinstance(value, str) else value
        except (ValueError, ZeroDivisionError):
            raise ValueError(f"{value!r} is not a share; give a number such as 0.5 or 1/3") from None

    @model_validator(mode="after")
    def _one_way(self):
        if (self.draws is None) == (not self.values):
            raise ValueError("give `draws` or `values`, one of the two")
        return self


def search_faults(
    search: Search | None, seeds: tuple[int, ...], methods: dict[str, TrainingConfig]
) -> list[Fault]:
    """What the search of a suite with these seeds and methods cannot be, as (path of keys, message). A
    setting that a method does not have is left out there.
    """
    if search is None:
        return []
    if search.seed in seeds:
        return [
            (
                ("search", "seed"),
                f"{search.seed} is a seed of the bench too; give other `seeds`, or another `seed` here",
            )
        ]
    if search.draws and not any(distributions(type(config)) for config in methods.values()):
        return [(("search", "draws"), "no method of the suite has a setting to draw; give `values`")]
    return [fault for name, values in search.values.items() for fault in _of(name, values, methods)]


def _of(name: str, values: tuple[Value, ...], methods: dict[str, TrainingConfig]) -> list[Fault]:
    where = "search", "values", name
    configs = [config for config in methods.values() if name in type(config).model_fields]
    if name in NEVER:
        return [(where, "is never searched: all settings are compared at one budget; take it out")]
    if not configs:
        return [(where, "no method of the suite has this setting; take it out")]
    wrong = []
    for config in configs:
        for value in values:
            try:
                with_values(config, {name: value})
            except ValidationError as error:
                wrong += [(where, f"{value!r}: {message}") for _, message in plain(error)]
    return wrong


def with_values(config: TrainingConfig, values: Mapping[str, Any]) -> TrainingConfig:
    """`config` with these values. A backbone FILE.py:CLASS that it has already was named on the command line,
    and stays. Raises pydantic's ValidationError for a value that does not fit.
    """
    own: dict[str, Any] = {}
    if isinstance(config, NetworkConfig) and plugins.is_file(config.backbone) and "backbone" not in values:
        own = {"backbone": config.backbone}
    given = {name: value for name, value in {**dict(config), **values}.items() if name not in own}
    return type(config).model_validate(given).model_copy(update=own)
