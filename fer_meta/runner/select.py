"""From the options of a bench to its suite, and to the data sets that play a part in it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from fer_meta import plugins
from fer_meta.datasets.registry import is_here, names, resolve
from fer_meta.errors import FerMetaError, SuiteError
from fer_meta.methods import registry
from fer_meta.methods.base import NetworkConfig, TrainingConfig
from fer_meta.networks import backbones
from fer_meta.networks.outside import check_timm
from fer_meta.networks.weights import NAMED, check_file
from fer_meta.runner.crossing import pairs
from fer_meta.runner.options import BenchOptions
from fer_meta.sources import parts_of
from fer_meta.spelling import offered
from fer_meta.suites.divisions import division_key
from fer_meta.suites.experiments import Experiment
from fer_meta.suites.schema import Suite, read_suite


def chosen_suite(options: BenchOptions) -> Suite:
    """The suite with what the options change. Raises SuiteError for what does not fit."""
    methods = None if options.methods is None else registry.names_of(options.methods)
    suite = read_suite(
        options.suite,
        options.preset,
        options.split,
        asked=methods,
        sources=options.sources,
        targets=options.targets,
        seeds=options.seeds,
        readouts=options.readouts,
        image_size=options.image_size,
        draws=options.search,
        budget=options.budget,
    )
    if options.experiments is not None:
        suite = _with_experiments(suite, options.experiments)
    if methods is not None:
        suite = _with_methods(suite, methods)
    _check_ways(suite)
    configs = dict(suite.methods)
    configs = _with_network(configs, options.backbone, options.weights)
    if options.precision is not None:
        change = {"precision": options.precision}
        configs = {name: config.model_copy(update=change) for name, config in configs.items()}
    suite = suite.model_copy(update={"methods": configs})
    _check_networks(suite)
    return suite


def _with_experiments(suite: Suite, wanted: Sequence[str]) -> Suite:
    divisions = {division_key(tested): tested for tested in suite.divisions or ()}
    there = [*suite.experiments, *divisions]
    unknown = [key for key in wanted if key not in there]
    if unknown:
        raise SuiteError(
            f"{suite.name} has no experiment {unknown[0]!r}"
            + offered(unknown[0], there, f"it has {', '.join(there) or 'none'}")
        )
    if divisions:
        kept = tuple(tested for key, tested in divisions.items() if key in wanted)
        return suite.model_copy(update={"divisions": kept})
    experiments = {key: one for key, one in suite.experiments.items() if key in wanted}
    return suite.model_copy(update={"experiments": experiments})


def _with_methods(suite: Suite, wanted: Sequence[str]) -> Suite:
    unknown = [name for name in wanted if name not in suite.methods]
    if unknown:
        raise SuiteError(
            f"{suite.name} has no method {unknown[0]!r}"
            + offered(
                unknown[0],
                suite.methods,
                f"it has {', '.join(suite.methods)}; fer-meta knows {', '.join(registry.names())}",
            )
        )
    experiments = dict(_experiments_of(suite.experiments, wanted))
    if suite.experiments and not experiments:
        raise SuiteError(f"no experiment of {suite.name} has one of the methods {', '.join(wanted)}")
    configs = {name: suite.methods[name] for name in wanted}
    return suite.model_copy(update={"methods": configs, "experiments": experiments})


def _experiments_of(
    experiments: Mapping[str, Experiment], methods: Sequence[str]
) -> Iterator[tuple[str, Experiment]]:
    """The experiments that have one of `methods`, each with its own of these."""
    for key, one in experiments.items():
        own = [name for name in methods if one.methods is None or name in one.methods]
        if own:
            yield key, one.model_copy(update={"methods": tuple(own)})


def _with_network(
    configs: Mapping[str, TrainingConfig], backbone: str | None, weights: str | None
) -> dict[str, TrainingConfig]:
    """`backbone` for every method, and `weights` for those whose backbone is published with some; a file for
    every method.
    """
    if backbone is not None:
        backbones.check_name(backbone, own_files=True)
        configs = {name: _changed(config, backbone=backbone) for name, config in configs.items()}
    if weights is None:
        return dict(configs)
    able = [
        name
        for name, config in configs.items()
        if isinstance(config, NetworkConfig)
        and (weights not in NAMED or config.backbone not in backbones.FROM_SCRATCH)
    ]
    if not able:
        raise SuiteError(
            f"--weights: nobody publishes weights of {' and '.join(backbones.FROM_SCRATCH)}, and no method of"
            " this bench has another backbone; leave it out, or give --backbone"
        )
    return {
        name: _changed(config, weights=weights) if name in able else config
        for name, config in configs.items()
    }


def _check_ways(suite: Suite) -> None:
    """Raises SuiteError for a method that can never answer, for its head has the ways of training."""
    for key, config in suite.methods.items():
        if registry.load(config.method or key).any_way:
            continue
        own = [one.protocol for one in suite.experiments.values() if key in (one.methods or suite.methods)]
        for protocol in own or [suite.protocol]:
            trained = protocol.train.way
            others = [way for way in (protocol.way, protocol.validation.way) if way != trained]
            if others:
                raise SuiteError(
                    f"{key}: its head has the {trained} ways of training, and cannot answer {others[0]}-way"
                    f" episodes; leave {key} out, or make the ways of the protocol equal"
                )


def _check_networks(suite: Suite) -> None:
    """Raises FerMetaError for weights that cannot be had or are of another network, and for a network that
    timm lacks: before anything is rendered, timed or trained.
    """
    checked: set[tuple[str, str]] = set()
    for name, config in _all_configs(suite):
        if not isinstance(config, NetworkConfig):
            continue
        if config.backbone.startswith("timm/"):
            check_timm(config.backbone)
        network = config.backbone, config.weights
        if config.weights == "none" or network in checked:
            continue
        if config.weights not in NAMED:
            check_file(Path(config.weights))
        checked.add(network)
        try:
            backbones.vectors(*network, config.stem, suite.image_size)
        except FerMetaError as error:
            raise SuiteError(f"{name}: {error}") from None


def _all_configs(suite: Suite) -> Iterator[tuple[str, TrainingConfig]]:
    """How each method is trained, also where an experiment changes that."""
    yield from suite.methods.items()
    for key, one in suite.experiments.items():
        yield from ((name, suite.config(name, key)) for name in one.training if name in suite.methods)


def _changed(config: TrainingConfig, **fields: str) -> TrainingConfig:
    """A method from outside may have a network of its own, without a choice."""
    return config.model_copy(update=fields) if isinstance(config, NetworkConfig) else config


def needs_files(suite: Suite) -> bool:
    """Whether a training needs a user's file (of weights, of a network), whose content is part of a run's
    identity.
    """
    return any(
        isinstance(config, NetworkConfig)
        and (config.weights not in NAMED or plugins.is_file(config.backbone))
        for config in suite.methods.values()
    )


def cast_of(suite: Suite, options: BenchOptions) -> dict[str, str]:
    """Who plays which role of the experiments: role -> data set. The options say so, else it is the data set
    that the role was written for, if it is here.

    Rendered stand-ins are used only if no role has another data set: a table that is half photographs would
    mislead. Raises SuiteError for an unknown role.
    """
    if options.domains or suite.sources or suite.targets:
        raise SuiteError(
            f"the data sets of {suite.name} play roles; fill them with --role {next(iter(suite.roles))}=NAME"
        )
    unknown = [role for role in options.roles if role not in suite.roles]
    if unknown:
        raise SuiteError(f"{suite.name} has no role {unknown[0]!r}; it has {', '.join(suite.roles)}")
    cast = {**options.roles} | {
        name: role.data
        for name, role in suite.roles.items()
        if name not in options.roles and is_here(role.data, options.data)
    }
    return cast or {name: role.rendered for name, role in suite.roles.items()}


def domains_of(suite: Suite, options: BenchOptions) -> tuple[Suite, dict[str, Path | None]]:
    """What a suite without experiments crosses: the options' domains, else its sources and targets if it
    names both, else what is here, else rendered domains. Of these, what is trained or tested on, and where it
    is (None for rendered ones).

    Raises SuiteError for roles or domains that do not fit, DatasetError for a data set that is not here.
    """
    if options.roles:
        raise SuiteError(f"{suite.name} has no roles to fill; name its domains with --domains")
    trained = [part for name in suite.sources or () for part in parts_of(name)]
    both = [*trained, *suite.targets] if trained and suite.targets else []
    here = (name for name in names(options.data) if is_here(name, options.data))
    wanted = list(options.domains or both or here)
    if not wanted:
        wanted = list(suite.rendered.domains)
        suite = suite.model_copy(update={"sources": suite.sources or suite.rendered.sources})
    roots = resolve(wanted, options.data)
    # a source that is not a domain should not cost minutes either
    used = {part for pair in pairs(suite, roots) for name in pair for part in parts_of(name)}
    return suite, {name: root for name, root in roots.items() if name in used}
