"""A search for hyper-parameters, as DomainBed has it (Gulrajani and Lopez-Paz, In search of lost domain
generalization, ICLR 2021). Several settings of each method and source are trained with a seed of the search's
own. The one that is best on the source's validation images is then trained and tested with the seeds of the
bench. No trial sees a target.

Optuna and Ray Tune are not used: there a value depends on the draws before it, so that a new setting of a
method changes the draws of all others. What they add (samplers that learn, databases, clusters) has no part
in a random search whose trainings are shared and resumed by the locks and folders of a bench.
"""

import hashlib
import itertools
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from fer_meta.methods import registry
from fer_meta.methods.base import TrainingConfig
from fer_meta.methods.distributions import Distribution, Value, distributions
from fer_meta.methods.labels import answer_in
from fer_meta.records.plan import PlannedSearch, PlannedTrial
from fer_meta.records.search import outcomes, picked
from fer_meta.runner.identity import model_identity, short_hash
from fer_meta.runner.plan import ConfigOf, Run, Trial, make_model
from fer_meta.runner.settings import Setting
from fer_meta.suites.schema import Suite
from fer_meta.suites.search import Search, with_values

# Settings that count steps or passes over the source, which a shorter training has in proportion. Not the
# warm-up, which is as long as Adam needs.
COUNTS = ("steps", "max_epochs", "halve_every")

Values = dict[str, Value]


def trials(suite: Suite, settings: Sequence[Setting]) -> list[Run]:
    """The trainings of the suite's search, those of a method and a source one after the other; none for a
    method that has nothing to search.
    """
    found: dict[str, list[Run]] = {}
    if suite.search is None:
        return []
    for setting, key in _places(settings):
        of = _of(suite, key, setting)
        if of not in found:
            found[of] = _trials(suite, suite.search, of, key, setting)
    return [run for own in found.values() if len(own) > 1 for run in own]


def planned_search(suite: Suite, settings: Sequence[Setting], runs: Sequence[Run]) -> PlannedSearch | None:
    """What `plan.json` says of the search whose trials are `runs`."""
    if suite.search is None:
        return None
    used: dict[str, dict[str, None]] = {}  # of -> its experiments, in order
    for setting, key in _places(settings):
        used.setdefault(_of(suite, key, setting), {})[setting.experiment] = None
    return PlannedSearch(
        seed=suite.search.seed, budget=suite.search.budget, trials=[_planned(run, used) for run in runs]
    )


def picks(suite: Suite, search: PlannedSearch, folder: Path, done: Collection[str]) -> ConfigOf:
    """How methods are trained: as the search has picked in a results folder, whose `done` trials (models) are
    finished; where nothing is searched, as the suite says.
    """
    best = picked(search.trials, outcomes(folder, [one for one in search.trials if one.model in done]))
    every = {trial.of for trial in search.trials}

    def config_of(key: str, setting: Setting) -> TrainingConfig | None:
        config, of = suite.config(key, setting.experiment), _of(suite, key, setting)
        if of not in every:
            return config
        return with_values(config, best[of].values) if of in best else None

    return config_of


def _places(settings: Sequence[Setting]) -> list[tuple[Setting, str]]:
    """Each setting, and what the suite calls each method that is trained there."""
    return [(setting, key) for setting in settings for key in setting.methods]


def _of(suite: Suite, key: str, setting: Setting) -> str:
    """The same where a method is trained in the same way on the same images."""
    config = suite.config(key, setting.experiment)
    return f"{key}-{short_hash(model_identity(suite, config.method or key, config, setting, 0))}"


def _trials(suite: Suite, search: Search, of: str, key: str, setting: Setting) -> list[Run]:
    config, runs = suite.config(key, setting.experiment), dict[str, Run]()
    budget = suite.budget and suite.budget.part(search.budget)
    shorter = suite.model_copy(update={"budget": budget})
    for draw, values in enumerate(_settings(search, config.method or key, config)):
        tried = shortened(with_values(config, values), search.budget)
        model = make_model(shorter, key, tried, setting, search.seed)
        runs.setdefault(model.id, Run(model, setting, model.identity, Trial(of, draw, values)))
    return list(runs.values())


def _settings(search: Search, method: str, config: TrainingConfig) -> list[Values]:
    """The values that are tried, first those of `config`; of a network that is not trained these alone."""
    if not registry.load(method).trained:
        return [{}]
    if search.draws is None:
        names = [name for name in search.values if name in type(config).model_fields]
        tried = [dict(zip(names, one)) for one in itertools.product(*(search.values[name] for name in names))]
    else:
        known = distributions(type(config))
        names = list(known)
        tried = [_draw(search.seed, method, known, number) for number in range(1, search.draws)]
    own = {name: getattr(config, name) for name in names}
    return [own, *(values for values in tried if values != own)]


def _draw(seed: int, method: str, known: dict[str, Distribution], number: int) -> Values:
    """Each value has a generator of its own: a new setting of a method leaves the others' draws alone."""
    return {name: one.draw(generator(seed, method, name, number)) for name, one in known.items()}


def generator(*parts: object) -> np.random.Generator:
    """The generator of these parts, on every machine."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest, "little"))


def shortened(config: TrainingConfig, share: float) -> TrainingConfig:
    """`config` for that share of a training, where its length is not the suite's `budget`."""
    counts = {name: getattr(config, name) for name in COUNTS if getattr(config, name, 0)}
    return with_values(config, {name: max(1, round(share * count)) for name, count in counts.items()})


def _planned(run: Run, used: dict[str, dict[str, None]]) -> PlannedTrial:
    model, trial = run.model, run.trial
    assert trial
    return PlannedTrial(
        model=model.id,
        of=trial.of,
        experiments=[key for key in used[trial.of] if key],
        method=model.key,
        source=model.source.name,
        fold=model.source.fold,
        readout=answer_in(model.key, model.method, deciding(model.method, model.config)),
        validated=deciding(model.method, model.config),
        draw=trial.draw,
        values=trial.values,
    )


def deciding(method: str, config: TrainingConfig) -> str:
    """The readout whose validation decides: the method's first own answer, or for a method without the first
    of its readouts (the nearest mean, unless it says otherwise).
    """
    known = registry.load(method)
    own = [answer for answer in known.answers(config) if answer in known.own]
    return own[0] if own else known.read_as(known.readouts[0])
