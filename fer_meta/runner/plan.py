"""From a suite and its settings to the runs, each with the identity that names its folder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from fer_meta.methods import registry
from fer_meta.methods.base import TrainingConfig
from fer_meta.methods.distributions import Value
from fer_meta.runner.identity import model_identity, run_identity, short_hash
from fer_meta.runner.settings import Setting, in_names, needed
from fer_meta.suites.schema import Suite
from fer_meta.tasks.pools import Domain, Pool
from fer_meta.tasks.protocol import Protocol
from fer_meta.training.batches import check_units
from fer_meta.training.budget import Budget


@dataclass(frozen=True)
class Model:
    """One training: a method, its settings (under the budget) and what the suite calls them (`key`), a source
    and a seed.
    """

    key: str
    method: str
    config: TrainingConfig
    source: Domain
    protocol: Protocol
    seed: int
    identity: dict
    budget: Budget | None = None

    @property
    def seconds(self) -> float | None:
        """Of training, if a budget of seconds ends it."""
        return self.budget.seconds if self.budget and self.config.steps else None

    @property
    def train(self) -> Pool:
        """The images that are trained on."""
        return needed(self.source.train)

    @property
    def val(self) -> Pool:
        """The source's images that are validated on."""
        return needed(self.source.val)

    @cached_property  # a bench asks for it often, and an identity is long
    def id(self) -> str:
        source = f"{self.source.name}{in_names(self.source.fold)}"
        return f"{self.key}-{source}-seed{self.seed}-{short_hash(self.identity)}"


@dataclass(frozen=True)
class Trial:
    """A draw of a search: the values of the settings that are searched. `of` is the same for all draws of
    which one is picked.
    """

    of: str
    draw: int  # 0: the suite's own setting
    values: dict[str, Value]


@dataclass(frozen=True)
class Run:
    """One row of the plan: a model, and what it is tested on. A trial of a search is trained and validated on
    the source of `setting`, and tested on nothing: its files are those of its model.
    """

    model: Model
    setting: Setting
    identity: dict
    trial: Trial | None = None

    @cached_property
    def id(self) -> str:
        model, setting = self.model, self.setting
        if self.trial:
            return model.id
        key = f"{setting.experiment}-" if setting.experiment else ""
        pair = f"{setting.source.name}-to-{setting.target.name}{in_names(setting.fold)}"
        return f"{key}{model.key}-{pair}-seed{model.seed}-{short_hash(self.identity)}"


# How a method is trained for a setting; None: that is not known yet.
ConfigOf = Callable[[str, Setting], TrainingConfig | None]


def make_plan(suite: Suite, settings: Sequence[Setting], config_of: ConfigOf | None = None) -> list[Run]:
    """Every run of the suite, the runs of one model one after the other. The methods are trained as the suite
    says, or as `config_of` does; without a config there are no runs.
    """
    runs = []
    for setting in settings:
        for key in setting.methods:
            config = config_of(key, setting) if config_of else suite.config(key, setting.experiment)
            if config is None:
                continue
            for seed in suite.seeds:
                model = make_model(suite, key, config, setting, seed)
                runs.append(Run(model, setting, run_identity(suite, model.identity, setting)))
    return [run for unit in by_model(runs) for run in unit]


def make_model(suite: Suite, key: str, config: TrainingConfig, setting: Setting, seed: int) -> Model:
    """The training of a method, whose settings the suite calls `key`, on the source of `setting`, under the
    suite's budget. Raises ProtocolError if the method needs action units, which the source does not know.
    """
    method = config.method or key
    check_units(registry.load(method), setting.source)
    if suite.budget is not None:
        config = suite.budget.applied(method, config, setting.train, setting.protocol)
    identity = model_identity(suite, method, config, setting, seed)
    return Model(key, method, config, setting.source, setting.protocol, seed, identity, suite.budget)


Unit = list[Run]  # runs of one model


def by_model(runs: Sequence[Run]) -> list[Unit]:
    """The runs of each model together, in the order in which the models come."""
    units: dict[str, Unit] = {}
    for run in runs:
        units.setdefault(run.model.id, []).append(run)
    return list(units.values())
