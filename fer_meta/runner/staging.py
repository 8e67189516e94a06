"""The settings of a suite's experiments: who plays which role, and the mixtures that are trained on."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from fer_meta.datasets.cache import CachedFaces
from fer_meta.datasets.mixing import all_tested, balance, concatenate, of_films, take
from fer_meta.errors import DatasetError, ProtocolError
from fer_meta.runner.crossing import Shared, folds, rendered, setting_of, unreadable
from fer_meta.runner.identity import episodes_hash
from fer_meta.runner.settings import Mixed, Setting
from fer_meta.suites.experiments import Experiment, Mixture, Role
from fer_meta.suites.schema import Suite
from fer_meta.tasks.copies import compared_cast
from fer_meta.tasks.pools import divide


def stage(suite: Suite, cast: Mapping[str, CachedFaces]) -> tuple[list[Setting], dict[str, str]]:
    """A setting for each experiment that can be run with `cast` (role -> data set), or for each of its folds,
    and for each that cannot, why not.

    One that cannot be run is skipped as a base too: what is compared with it is compared with its own base
    instead.
    """
    settings: dict[str, list[Setting]] = {}
    not_run: dict[str, str] = {}
    mixed: dict[tuple[str, bool], Mixed] = {}
    casts: dict[bool, dict[str, CachedFaces]] = {}  # that know their near copies, and that do not
    episodes: dict = {}
    for key, experiment in suite.experiments.items():
        mixture = suite.mixtures.get(experiment.train)
        absent = sorted(
            {role for role in (experiment.test, *_roles(experiment.train, mixture)) if role not in cast}
        )
        if absent:
            not_run[key] = "; ".join(
                f"no {role}: give --data {suite.roles[role].data}=PATH" for role in absent
            )
            continue
        try:
            near = experiment.protocol.removes_near_copies
            if near not in casts:
                casts[near] = compared_cast(cast, experiment.protocol)
            own, train = casts[near], (experiment.train, near)
            if mixture and train not in mixed:
                mixed[train] = mix(experiment.train, mixture, own, suite.roles)
            settings[key] = _staged(suite, key, own, mixed.get(train), episodes)
        except (DatasetError, ProtocolError) as error:
            not_run[key] = str(error)
    for key in list(settings):
        base = _base(suite.experiments, key, settings)
        if base and list(map(_tested, settings[key])) == list(map(_tested, settings[base])):
            target = settings.pop(key)[0].target
            clips = (
                "" if of_films(target.index).any() else f", for no image of {target.name} belongs to a clip"
            )
            not_run[key] = f"would be the same test as {base}{clips}"
        else:
            settings[key] = [replace(one, against=base) for one in settings[key]]
    return [one for key in suite.experiments for one in settings.get(key, ())], not_run


def _roles(train: str, mixture: Mixture | None) -> list[str]:
    """The roles that are trained on."""
    return [part.role for part in mixture.parts] if mixture else [train]


def _staged(
    suite: Suite, key: str, cast: Mapping[str, CachedFaces], mixed: Mixed | None, episodes: dict
) -> list[Setting]:
    experiment = suite.experiments[key]
    protocol, methods = experiment.protocol, experiment.methods or tuple(suite.methods)
    shared = Shared(key, protocol, methods, suite.classes, "oracle" in suite.selection, episodes)
    source, target = mixed.faces if mixed else cast[experiment.train], cast[experiment.test]
    if protocol.cross_validated:
        if source is not target:
            raise ProtocolError(
                "cross-validation tests a data set on itself; give `train` and `test` the same data set, or"
                " no folds"
            )
        return folds(shared, source)
    target = all_tested(target) if experiment.all_images else target
    elsewhere = {cast[role].name for role in suite.trained_roles if role in cast}
    domains = divide(
        [source] if source is target else [source, target],
        protocol,
        suite.classes,
        [source.name],
        [target.name],
        shared.oracle,
        elsewhere,
    )
    trained = _roles(experiment.train, suite.mixtures.get(experiment.train))
    setting = setting_of(
        shared,
        domains[source.name],
        domains[target.name],
        rendered(source, target),
        unreadable(*(cast[role] for role in (experiment.test, *trained))),
    )
    return [replace(setting, mixture=mixed)]


def _base(experiments: Mapping[str, Experiment], key: str, staged: Collection[str]) -> str | None:
    """The nearest of the experiments that `key` is compared with, one after the other, that is staged."""
    passed, other = [key], experiments[key].against
    while other is not None and other in experiments and other not in (*staged, *passed):
        passed.append(other)
        other = experiments[other].against
    return other if other in staged and other != key else None


def _tested(setting: Setting) -> tuple:
    """What is trained and tested: two experiments that agree in it are the same test, as where no image has a
    clip to share.
    """
    protocol = setting.protocol
    return (
        setting.train.digest,
        setting.source_val.digest,
        protocol.train,
        protocol.validation,
        protocol.batchnorm,
        setting.test.digest,
        {shots: episodes_hash(setting, shots) for shots in setting.episodes},
    )


def mix(name: str, mixture: Mixture, cast: Mapping[str, CachedFaces], roles: Mapping[str, Role]) -> Mixed:
    """The training set that a mixture describes. Raises DatasetError if a part has none of its images."""
    taken = [(cast[part.role], take(cast[part.role], part.splits, part.clips)) for part in mixture.parts]
    faces = concatenate(name, [(faces, found.rows) for faces, found in taken])
    lacking = tuple(clip for _, found in taken for clip in found.missing)
    as_published = all(roles[part.role].data == cast[part.role].name for part in mixture.parts)
    counts = _beside_published(faces, mixture.published) if as_published and mixture.published else ""
    if mixture.per_class is not None:
        faces = concatenate(name, [(faces, balance(faces.index, mixture.per_class))])
    return Mixed(faces, lacking, counts)


def _beside_published(faces: CachedFaces, published: Mapping[str, int]) -> str:
    """How the images of each class compare with the published ones, in words."""
    found = faces.index["label"].value_counts()
    other = [
        f"{label} {found.get(label, 0):,} ({count:,})"
        for label, count in published.items()
        if found.get(label, 0) != count
    ]
    return (
        f"{faces.name} differs from the published mixture, whose images per class are in brackets:"
        f" {', '.join(other)}"
        if other
        else (
            f"{faces.name} has the {sum(published.values()):,} images of the published mixture, as many of"
            " each class"
        )
    )
