"""The settings of a suite that crosses domains, and of a cross-validation: pools, and the fixed episodes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fer_meta.datasets.base import Rendered
from fer_meta.datasets.cache import CachedFaces
from fer_meta.errors import ProtocolError, SuiteError
from fer_meta.runner.divisions import possible
from fer_meta.runner.settings import Setting, needed
from fer_meta.sources import parts_of
from fer_meta.suites.divisions import division_key
from fer_meta.suites.schema import Suite
from fer_meta.tasks.copies import compared
from fer_meta.tasks.episodes import FixedEpisodes, draw, draw_with_held_support, kinds_of
from fer_meta.tasks.fixes import or_other_folds
from fer_meta.tasks.folds import cross_validate, named
from fer_meta.tasks.joined import join
from fer_meta.tasks.pools import Domain, Pool, divide, restrict, with_classes
from fer_meta.tasks.protocol import Protocol

# Episodes belong to the suite, not to a run: every method and every seed is scored on the same ones.
EPISODE_SEED = "evaluation/0"


def pairs(suite: Suite, domains: Collection[str]) -> list[tuple[str, str]]:
    """The sources and targets that a suite without experiments crosses, by name: in a cross-validation each
    domain and itself. A source `a+b` is within its domains a and b, and across to all others.

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
        missing = [part for name in chosen or () for part in parts_of(name) if part not in domains]
        if missing:
            raise SuiteError(
                f"{suite.name} {what} on '{missing[0]}', which is not among the domains"
                f" ({', '.join(domains)}); name it in --domains too, or give other {option}"
            )
    several = [name for name in suite.sources or () if len(parts_of(name)) > 1]
    if folds and several:
        raise SuiteError(
            f"{suite.name} trains on '{several[0]}', but cross-validation tests each domain on itself; give"
            " --sources without it, or no folds"
        )
    targets = [name for name in domains if suite.targets is None or name in suite.targets]
    found = [
        (source, target)
        for source in suite.sources or domains
        for target in targets
        if (suite.within if target in parts_of(source) else suite.across and not folds)
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
    """A setting for every source and target of a suite without experiments, and for each of its divisions.
    Raises ProtocolError if two have too few common classes, or images for no division.
    """
    faces = compared(faces, suite.protocol)
    by_name = {one.name: one for one in faces}
    shared = Shared("", suite.protocol, tuple(suite.methods), suite.classes, "oracle" in suite.selection)
    crossed = pairs(suite, by_name)
    if suite.protocol.cross_validated:
        return [setting for name, _ in crossed for setting in folds(shared, by_name[name])]
    parts = {source: parts_of(source) for source, _ in crossed}
    trained, tested = {name for names in parts.values() for name in names}, {name for _, name in crossed}
    domains = divide(faces, suite.protocol, suite.classes, trained, tested, shared.oracle)
    sources = {
        source: (
            join([by_name[name] for name in names], [domains[name] for name in names], suite.protocol)
            if len(names) > 1
            else domains[source]
        )
        for source, names in parts.items()
    }
    recipes = rendered(*faces)
    settings = []
    for source, target in crossed:
        own, other = sources[source], domains[target]
        unread = unreadable(*(by_name[name] for name in (*parts[source], target)))
        if suite.divisions:
            divided, left_out = possible(suite.divisions, suite.classes, suite.protocol, own, other)
            settings += [
                replace(
                    setting_of(replace(shared, experiment=division_key(tested)), own, other, recipes, unread),
                    left_out=left_out,
                )
                for tested, own in divided.items()
            ]
        else:
            settings.append(setting_of(shared, own, other, recipes, unread))
    return settings


@dataclass(frozen=True)
class Shared:
    """What the settings of one experiment, or of one crossing, share."""

    experiment: str  # its key in the suite, or that of a division; "" for another crossing
    protocol: Protocol
    methods: tuple[str, ...]
    classes: Sequence[str]
    oracle: bool  # whether a checkpoint is picked on the target too
    # The episodes so far: most sources share a target's images, and so its episodes.
    episodes: dict[tuple, dict[int, FixedEpisodes]] = field(default_factory=dict)


def folds(shared: Shared, faces: CachedFaces) -> list[Setting]:
    """A setting for each fold of a data set."""
    protocol = shared.protocol
    domains = cross_validate(faces, protocol, shared.classes)
    if protocol.queries == "all":
        protocol = protocol.model_copy(update={"way": len(needed(domains[0].train).classes)})
    settings = []
    for domain in domains:
        own = replace(shared, protocol=protocol, episodes={})
        with named(f"fold {domain.fold}", or_other_folds(protocol, "fewer")):
            settings.append(setting_of(own, domain, domain, rendered(faces), unreadable(faces)))
    return settings


def setting_of(
    shared: Shared,
    source: Domain,
    target: Domain,
    recipes: Mapping[str, Rendered],
    unread: dict[str, int],
) -> Setting:
    """The setting of a source and a target, with its fixed episodes. `recipes` and `unread` are `rendered`
    and `unreadable` of their data sets.

    Raises ProtocolError if the episodes cannot be made.
    """
    protocol = shared.protocol
    if target.test is None:
        raise ProtocolError(f"{target.name}: has no test images; give the data set a test split")
    for pool, shape in ((source.train, protocol.train), (source.val, protocol.validation)):
        kinds_of(needed(pool), shape)  # says before the first training what cannot be drawn
    seen = needed(source.train).classes
    tested = (
        seen if protocol.tested_classes == "seen" else [name for name in shared.classes if name not in seen]
    )
    if protocol.queries == "all" and len(seen) == protocol.way:  # the target may lack some
        test = with_classes(target.test, seen, target.index)
    else:
        test = restrict(target.test, tested, target.index, protocol.way)
    val, no_oracle = None, ""
    if shared.oracle:
        val, no_oracle = _val_for_oracle(source, target, tested, protocol.validation.way)
    held = source.held if protocol.support_from == "source-train" else None
    return Setting(
        shared.experiment,
        protocol,
        shared.methods,
        source,
        target,
        test,
        val,
        _episodes(shared, target.name, test, held),
        {name: recipes[name] for name in _names(source, target) if name in recipes},
        unread,
        no_oracle=no_oracle,
    )


def _names(source: Domain, target: Domain) -> tuple[str, ...]:
    """The domains of a pair, and the data sets that a source of several is made of."""
    return source.name, *parts_of(source.name), target.name


def rendered(*faces: CachedFaces) -> dict[str, Rendered]:
    """How each data set that is not photographs was rendered."""
    return {one.name: one.spec.rendered for one in faces if one.spec.rendered}


def unreadable(*faces: CachedFaces) -> dict[str, int]:
    """How many images were left out of each data set that has such."""
    return {one.name: len(one.unreadable) for one in faces if one.unreadable}


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


def _episodes(shared: Shared, target: str, test: Pool, held: Pool | None) -> dict[int, FixedEpisodes]:
    """The fixed episodes of a target by their shots."""
    protocol = shared.protocol
    key = (
        protocol.model_dump_json(exclude={"train", "validation"}),
        target,
        test.digest,
        held and held.digest,
    )
    if key not in shared.episodes:
        shared.episodes[key] = {shots: _draw(protocol, shots, test, held) for shots in protocol.shots}
    return shared.episodes[key]


def _draw(protocol: Protocol, shots: int, test: Pool, held: Pool | None) -> FixedEpisodes:
    if held is None:
        return draw(test, protocol.test_shape(shots), protocol.episodes, EPISODE_SEED)
    return draw_with_held_support(
        held, test, protocol.way, shots, protocol.queries, protocol.episodes, EPISODE_SEED
    )
