"""From a suite and data sets to the runs it asks for, each with the identity that names its folder.

An identity holds scientific fields alone: the same method, images, protocol and seed have the same identity
on every machine, whatever the paths, the device or the number of workers.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from fer_meta.datasets.base import Rendered
from fer_meta.datasets.cache import CachedFaces
from fer_meta.datasets.mixing import all_tested, balance, concatenate, frames_and_clips, of_films, take
from fer_meta.errors import DatasetError, ProtocolError, SuiteError
from fer_meta.evaluation.answers import Shown
from fer_meta.methods.base import TrainingConfig
from fer_meta.suites.experiments import Experiment, Mixture, Role
from fer_meta.suites.schema import Suite
from fer_meta.tasks.episodes import FixedEpisodes, draw, draw_with_held_support, fingerprint
from fer_meta.tasks.folds import cross_validate, named
from fer_meta.tasks.pools import Domain, Pool, divide, or_other_folds, restrict, with_classes
from fer_meta.tasks.protocol import Protocol

# Raised when a change of code changes numbers: results of an older version are then not taken for new ones.
CODE_VERSION = 3

# Episodes belong to the suite, not to a run: every method and every seed is scored on the same ones.
EPISODE_SEED = "evaluation/0"


@dataclass(frozen=True)
class Setting:
    """What is trained on, what is tested on and by which protocol: an experiment of a suite, or a crossing of
    two domains.
    """

    experiment: str  # its key in the suite; "" for a crossing
    protocol: Protocol
    algorithms: tuple[str, ...]
    source: Domain
    target: Domain
    test: Pool  # the target's test images of the classes tested
    # the target's validation images of these, if the oracle is asked for and these are enough
    val: Pool | None
    episodes: dict[int, FixedEpisodes]  # by shots
    rendered: dict[str, Rendered]  # those of source and target that are no photographs
    unreadable: dict[str, int] = field(default_factory=dict)  # images left out of each data set that has such
    mixture: "Mixed | None" = None  # what the source is made of, if it is a mixture
    against: str | None = None  # the experiment that this one is compared with, among those that are run
    no_oracle: str = ""  # for whom and why the oracle that was asked for is left out

    @property
    def fold(self) -> int | None:
        return self.source.fold

    @property
    def query(self) -> Shown:
        return Shown(self.target.images, self.test)

    @property
    def support(self) -> Shown | None:
        """The images held out of the source's training that are the support, or None if the support is the
        target's.
        """
        return (
            Shown(self.source.images, self.source.held)
            if self.protocol.support_from == "source-train"
            else None
        )

    @property
    def mixed_in(self) -> dict[str, int]:
        """How many frames of how many clips are mixed with photographs, and how many are trained on; nothing
        for any other source.
        """
        index = self.source.index
        frames, clips = frames_and_clips(index)
        if self.mixture is None or frames in (0, index["path"].nunique()):
            return {}
        trained_frames, trained_clips = frames_and_clips(index.iloc[self.source.train.rows])
        return {
            "frames": frames,
            "clips": clips,
            "trained_frames": trained_frames,
            "trained_clips": trained_clips,
        }


@dataclass(frozen=True)
class Mixed:
    """A training set made of other data sets, the clips asked for that these do not have, and, in words, how
    its images a class compare with the published ones (nothing where the data are others).
    """

    faces: CachedFaces
    lacking: tuple[str, ...] = ()
    counts: str = ""


@dataclass(frozen=True)
class Model:
    """One training: a method, its settings, a source and a seed."""

    algorithm: str
    config: TrainingConfig
    source: Domain
    protocol: Protocol
    seed: int
    identity: dict

    @property
    def id(self) -> str:
        source = f"{self.source.name}{in_names(self.source.fold)}"
        return f"{self.algorithm}-{source}-seed{self.seed}-{short_hash(self.identity)}"


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
        return f"{key}{model.algorithm}-{pair}-seed{model.seed}-{short_hash(self.identity)}"


def in_names(fold: int | None) -> str:
    """A fold as it stands in the names of folders and files, so that they sort."""
    return "" if fold is None else f"-fold{fold:02d}"


def pairs(suite: Suite, domains: Collection[str]) -> list[tuple[str, str]]:
    """The sources and targets that a suite without experiments crosses, by name: in a cross-validation each
    domain and itself.

    Raises SuiteError if the suite names one that is not among `domains`, or if there are none.
    """
    folds = suite.protocol.cross_validated
    if folds and not suite.within:
        raise SuiteError(
            f"{suite.name} has `within: false`, but cross-validation tests each domain on itself; say"
            " `within: true`"
        )
    for what, option, chosen in (
        ("trains", "--sources", suite.sources),
        ("tests", "--targets", suite.targets),
    ):
        missing = [name for name in chosen or () if name not in domains]
        if missing:
            raise SuiteError(
                f"{suite.name} {what} on '{missing[0]}', which is not among the domains"
                f" ({', '.join(domains)}); name it in --domains too, or give other {option}"
            )
    targets = [name for name in domains if suite.targets is None or name in suite.targets]
    found = [
        (source, target)
        for source in suite.sources or domains
        for target in targets
        if (suite.within if source == target else suite.across and not folds)
    ]
    if not found:
        needs = (
            "itself only: name one in both --sources and --targets"
            if suite.within
            else "others only: name two domains or more"
        )
        raise SuiteError(f"{suite.name} tests a source on {needs}; got {', '.join(domains)}")
    return found


def cross(suite: Suite, faces: Sequence[CachedFaces]) -> list[Setting]:
    """A setting for every source and target of a suite without experiments. Raises ProtocolError if two have
    too few common classes.
    """
    by_name, oracle = {one.name: one for one in faces}, "oracle" in suite.selection
    crossed = pairs(suite, by_name)
    if suite.protocol.cross_validated:
        return [
            setting
            for name, _ in crossed
            for setting in _folds(
                "", suite.protocol, tuple(suite.algorithms), by_name[name], suite.classes, oracle
            )
        ]
    domains = divide(faces, suite.protocol, suite.classes, *map(set, zip(*crossed)), oracle)
    rendered = _rendered(*faces)
    drawn = {}  # most sources share a target's images, and so its episodes
    return [
        _setting(
            "",
            suite.protocol,
            tuple(suite.algorithms),
            domains[source],
            domains[target],
            suite.classes,
            rendered,
            _unreadable(by_name[source], by_name[target]),
            drawn,
            oracle,
        )
        for source, target in crossed
    ]


def stage(suite: Suite, cast: Mapping[str, CachedFaces]) -> tuple[list[Setting], dict[str, str]]:
    """A setting for each experiment that can be run with `cast` (role -> data set), or for each of its folds,
    and for each that cannot, why not.

    One that cannot be run is skipped as a base too: what is compared with it is compared with its own base
    instead.
    """
    settings, not_run, mixed, drawn = {}, {}, {}, {}
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
            if mixture and experiment.train not in mixed:
                mixed[experiment.train] = mix(experiment.train, mixture, cast, suite.roles)
            settings[key] = _staged(suite, key, cast, mixed.get(experiment.train), drawn)
        except (DatasetError, ProtocolError) as error:
            not_run[key] = str(error)
    for key in list(settings):
        base = _base(suite.experiments, key, settings)
        if base and list(map(_asked, settings[key])) == list(map(_asked, settings[base])):
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
    suite: Suite, key: str, cast: Mapping[str, CachedFaces], mixed: Mixed | None, drawn: dict
) -> list[Setting]:
    experiment, oracle = suite.experiments[key], "oracle" in suite.selection
    protocol, algorithms = experiment.protocol, experiment.algorithms or tuple(suite.algorithms)
    source, target = mixed.faces if mixed else cast[experiment.train], cast[experiment.test]
    if protocol.cross_validated:
        if source is not target:
            raise ProtocolError(
                "cross-validation tests a data set on itself; give `train` and `test` the same data set, or"
                " no folds"
            )
        return _folds(key, protocol, algorithms, source, suite.classes, oracle)
    target = all_tested(target) if experiment.all_images else target
    elsewhere = {cast[role].name for role in suite.trained_roles if role in cast}
    domains = divide(
        [source] if source is target else [source, target],
        protocol,
        suite.classes,
        [source.name],
        [target.name],
        oracle,
        elsewhere,
    )
    parts = [
        cast[role]
        for role in (experiment.test, *_roles(experiment.train, suite.mixtures.get(experiment.train)))
    ]
    setting = _setting(
        key,
        protocol,
        algorithms,
        domains[source.name],
        domains[target.name],
        suite.classes,
        _rendered(source, target),
        _unreadable(*parts),
        drawn,
        oracle,
    )
    return [replace(setting, mixture=mixed)]


def _base(experiments: Mapping[str, Experiment], key: str, staged: Collection[str]) -> str | None:
    """The nearest of the experiments that `key` is compared with, one after the other, that is staged."""
    passed, other = [key], experiments[key].against
    while other in experiments and other not in (*staged, *passed):
        passed.append(other)
        other = experiments[other].against
    return other if other in staged and other != key else None


def _asked(setting: Setting) -> tuple:
    """What is trained and tested: two experiments that agree in it are the same test, as where no image has a
    clip to share.
    """
    source, protocol = setting.source, setting.protocol
    return (
        source.train.digest,
        source.val.digest,
        protocol.train,
        protocol.validation,
        protocol.batchnorm,
        setting.test.digest,
        {shots: episodes_hash(setting, shots) for shots in setting.episodes},
    )


def mix(name: str, mixture: Mixture, cast: Mapping[str, CachedFaces], roles: Mapping[str, Role]) -> Mixed:
    """The training set that a mixture describes. Raises DatasetError if a part has none of the images asked
    for.
    """
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
        f"{faces.name} differs from the published mixture, whose images a class stand in brackets:"
        f" {', '.join(other)}"
        if other
        else (
            f"{faces.name} has the {sum(published.values()):,} images of the published mixture, as many of"
            " each class"
        )
    )


def make_plan(suite: Suite, settings: Sequence[Setting]) -> list[Run]:
    """Every run of the suite, the runs of one model one after the other."""
    runs = []
    for setting in settings:
        for algorithm in setting.algorithms:
            for seed in suite.seeds:
                config = suite.config(algorithm, setting.experiment)
                identity = _model_identity(suite, algorithm, config, setting, seed)
                model = Model(algorithm, config, setting.source, setting.protocol, seed, identity)
                runs.append(Run(model, setting, _run_identity(suite, model, setting)))
    first = {}
    for place, run in enumerate(runs):
        first.setdefault(run.model.id, place)
    return sorted(runs, key=lambda run: first[run.model.id])


def bench_hashes(suite: Suite, as_written: Suite, **given) -> dict[str, str]:
    """What tells the report whose command shows a run that is not in the plan.

    `suite_hash` is of the suite as its file has it (`as_written`) and of this version; `settings_hash` of all
    that the runs of one plan share: the suite without its seeds, methods and experiments, of which a bench
    may take only some, and what else was `given`.
    """
    shared = suite.model_dump(mode="json", exclude={"seeds", "algorithms", "experiments"})
    return {
        "suite_hash": short_hash({"code": CODE_VERSION, "suite": as_written.model_dump(mode="json")}),
        "settings_hash": short_hash({"code": CODE_VERSION, "suite": shared, **given}),
    }


def short_hash(identity: dict) -> str:
    """Eight hexadecimal digits of an identity."""
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()


def _folds(key, protocol: Protocol, algorithms, faces: CachedFaces, classes, oracle: bool) -> list[Setting]:
    """A setting for each fold of a data set."""
    settings = []
    domains = cross_validate(faces, protocol, classes)
    if protocol.queries == "all":
        protocol = protocol.model_copy(update={"way": len(domains[0].train.classes)})
    for domain in domains:
        with named(f"fold {domain.fold}", or_other_folds(protocol, "fewer")):
            settings.append(
                _setting(
                    key,
                    protocol,
                    algorithms,
                    domain,
                    domain,
                    classes,
                    _rendered(faces),
                    _unreadable(faces),
                    {},
                    oracle,
                )
            )
    return settings


def _setting(
    key,
    protocol: Protocol,
    algorithms,
    source: Domain,
    target: Domain,
    classes,
    rendered,
    unreadable,
    drawn: dict,
    oracle: bool,
) -> Setting:
    """Draw the fixed episodes, unless `drawn` has them from another source. Raises ProtocolError if they
    cannot be drawn.
    """
    if target.test is None:
        raise ProtocolError(f"{target.name}: has no test images; give the data set a test split")
    seen = source.train.classes
    tested = seen if protocol.tested_classes == "seen" else [name for name in classes if name not in seen]
    if protocol.queries == "all" and len(seen) == protocol.way:  # the target may lack some
        test = with_classes(target.test, seen, target.index)
    else:
        test = restrict(target.test, tested, target.index, protocol.way)
    val, no_oracle = (
        _val_for_oracle(source, target, tested, protocol.validation.way) if oracle else (None, "")
    )
    held = source.held if protocol.support_from == "source-train" else None
    name = (
        protocol.model_dump_json(exclude={"train", "validation"}),
        target.name,
        test.digest,
        held and held.digest,
    )
    if name not in drawn:
        drawn[name] = {shots: _draw(protocol, shots, test, held) for shots in protocol.shots}
    shown = {domain.name: rendered[domain.name] for domain in (source, target) if domain.name in rendered}
    return Setting(
        key,
        protocol,
        algorithms,
        source,
        target,
        test,
        val,
        drawn[name],
        shown,
        unreadable,
        no_oracle=no_oracle,
    )


def _val_for_oracle(
    source: Domain, target: Domain, tested: Collection[str], way: int
) -> tuple[Pool | None, str]:
    """The target's validation images of the classes tested, or why the oracle is left out. Raises
    ProtocolError for a source's own val.
    """
    if target.val is None:
        return None, f"oracle left out for {target.name}: {target.no_val}"
    common = [name for name in target.val.classes if name in tested]
    if len(common) < way and source is not target:
        return (
            None,
            (
                f"oracle left out for {source.name} -> {target.name}: its val split has {len(common)} of the"
                f" classes tested that are large enough ({', '.join(common) or 'none'}); an episode of"
                f" validation needs {way}"
            ),
        )
    return restrict(target.val, tested, target.index, way), ""


def _rendered(*faces: CachedFaces) -> dict[str, Rendered]:
    return {one.name: one.spec.rendered for one in faces if one.spec.rendered}


def _unreadable(*faces: CachedFaces) -> dict[str, int]:
    return {one.name: len(one.unreadable) for one in faces if one.unreadable}


def _draw(protocol: Protocol, shots: int, test: Pool, held: Pool | None) -> FixedEpisodes:
    if held is None:
        return draw(test, protocol.test_shape(shots), protocol.episodes, EPISODE_SEED)
    return draw_with_held_support(
        held, test, protocol.way, shots, protocol.queries, protocol.episodes, EPISODE_SEED
    )


def _model_identity(
    suite: Suite, algorithm: str, settings: TrainingConfig, setting: Setting, seed: int
) -> dict:
    # Precision is the machine's. The first results made in fp32 keep their names; those of a version that
    # named bf16 are made anew.
    config = {**settings.model_dump(mode="json"), "precision": "fp32"}
    if config.get("weights", "none") not in ("none", "imagenet"):
        config["weights"] = _file_hash(Path(config["weights"]))
    protocol = setting.protocol
    return {
        "code": CODE_VERSION,
        "algorithm": algorithm,
        "config": config,
        "image_size": suite.image_size,
        "train": protocol.train.model_dump(),
        "validation": protocol.validation.model_dump(),
        "batchnorm": protocol.batchnorm,
        "train_images": setting.source.train.digest,
        "val_images": setting.source.val.digest,
        "seed": seed,
    }


def _run_identity(suite: Suite, model: Model, setting: Setting) -> dict:
    return {
        "model": model.identity,
        "way": setting.protocol.way,
        "queries": setting.protocol.queries,
        "selection": list(suite.selection),
        "test_images": setting.test.digest,
        "target_val_images": setting.val.digest if setting.val is not None else None,
        "support_images": setting.support.pool.digest if setting.support else setting.test.digest,
        "episodes": {str(shots): episodes_hash(setting, shots) for shots in setting.episodes},
    }


def episodes_hash(setting: Setting, shots: int) -> str:
    """A hash of the episodes by place in their pools: rows of the data set would change with images that are
    in no pool.
    """
    episodes = setting.episodes[shots]
    support = (setting.support or setting.query).pool
    return fingerprint(support.positions(episodes.support), *map(setting.test.positions, episodes.queries))


def _file_hash(path: Path) -> str:
    if not path.is_file():  # loading it will say so, in the run that needs it
        return path.name
    digest = hashlib.blake2b(digest_size=8)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return f"file:{digest.hexdigest()}"
