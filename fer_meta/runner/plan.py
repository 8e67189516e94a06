"""From a suite and its settings to the runs, each with the identity that names its folder."""

from collections.abc import Sequence
from dataclasses import dataclass

from fer_meta.methods.base import TrainingConfig
from fer_meta.runner.identity import model_identity, run_identity, short_hash
from fer_meta.runner.settings import Setting, in_names, needed
from fer_meta.suites.schema import Suite
from fer_meta.tasks.pools import Domain, Pool
from fer_meta.tasks.protocol import Protocol


@dataclass(frozen=True)
class Model:
    """One training: a method, its settings and what the suite calls them (`key`), a source and a seed."""

    key: str
    method: str
    config: TrainingConfig
    source: Domain
    protocol: Protocol
    seed: int
    identity: dict

    @property
    def train(self) -> Pool:
        """The images that are trained on."""
        return needed(self.source.train)

    @property
    def val(self) -> Pool:
        """The source's images that are validated on."""
        return needed(self.source.val)

    @property
    def id(self) -> str:
        source = f"{self.source.name}{in_names(self.source.fold)}"
        return f"{self.key}-{source}-seed{self.seed}-{short_hash(self.identity)}"


@dataclass(frozen=True)
class Run:
    """One row of the plan: a model, and what it is tested on."""

    model: Model
    setting: Setting
    identity: dict

    @property
    def id(self) -> str:
        model, setting = self.model, self.setting
        key = f"{setting.experiment}-" if setting.experiment else ""
        pair = f"{setting.source.name}-to-{setting.target.name}{in_names(setting.fold)}"
        return f"{key}{model.key}-{pair}-seed{model.seed}-{short_hash(self.identity)}"


def make_plan(suite: Suite, settings: Sequence[Setting]) -> list[Run]:
    """Every run of the suite, the runs of one model one after the other."""
    runs = []
    for setting in settings:
        for name in setting.methods:
            for seed in suite.seeds:
                config = suite.config(name, setting.experiment)
                method = config.method or name
                identity = model_identity(suite, method, config, setting, seed)
                model = Model(name, method, config, setting.source, setting.protocol, seed, identity)
                runs.append(Run(model, setting, run_identity(suite, model.identity, setting)))
    return [run for unit in by_model(runs) for run in unit]


Unit = list[Run]  # runs of one model


def by_model(runs: Sequence[Run]) -> list[Unit]:
    """The runs of each model together, in the order in which the models come."""
    units: dict[str, Unit] = {}
    for run in runs:
        units.setdefault(run.model.id, []).append(run)
    return list(units.values())
