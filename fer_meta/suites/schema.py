"""What a suite file may say. `read_suite` turns one into a Suite, or into an error that names the key and the
line.
"""

from collections.abc import Collection
from dataclasses import replace
from difflib import get_close_matches
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Field,
    PrivateAttr,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from fer_meta.config import Strict
from fer_meta.datasets.synthetic.rendered import IMAGES_DRAWN, SEED, SUBJECTS, domain_name, parse_name
from fer_meta.errors import DatasetError, SuiteError
from fer_meta.expressions import BASIC, EXPRESSIONS, lowered
from fer_meta.methods import registry
from fer_meta.methods.base import TrainingConfig
from fer_meta.methods.readouts import READOUTS
from fer_meta.oneline import one_line
from fer_meta.sources import PLUS, parts_of, source_name
from fer_meta.spelling import offered
from fer_meta.suites import extends
from fer_meta.suites.checks import Written, faults_of
from fer_meta.suites.divisions import every_choice, in_order
from fer_meta.suites.experiments import Distinct, Experiment, Key, Line, Mixture, Primary, Role, Selection
from fer_meta.suites.extends import merge
from fer_meta.suites.faults import error_of
from fer_meta.suites.folders import RESERVED
from fer_meta.suites.search import Search, with_values
from fer_meta.suites.settings import Fault, mapping, methods_of, plain
from fer_meta.suites.text import Lines, suite_names
from fer_meta.tasks.protocol import Protocol
from fer_meta.training.budget import Budget

__all__ = ["RenderedDomains", "Suite", "read_suite", "suite_names"]

# What else the report may show: accuracy in the training episodes, accuracy with support and query from
# shared clips, and what reporting the best of many noisy scores is worth.
Reading = Literal["training", "shared-clips", "best-of"]

LARGEST_IMAGE = 1024
"""Pixels of a side. Faces of more are of no use to these networks, and a data set's decoded images lie in
memory.
"""


Source = Annotated[str, AfterValidator(source_name)]


def _standard(source: str) -> str:
    """The one name of a rendered domain, or of a source of several."""
    return PLUS.join(domain_name(*parse_name(name)) for name in parts_of(source))


class RenderedDomains(Strict):
    """The domains of a bench that is given no data, and how large each rendered one is."""

    domains: tuple[str, ...] = Field(
        ("synthetic-studio", "synthetic-wild", "synthetic-film"), min_length=1, max_length=100
    )
    sources: tuple[Source, ...] | None = Field(
        None, min_length=1, max_length=100, description="only these of them are trained on; all are targets"
    )
    subjects: int = Field(SUBJECTS, ge=1, le=100_000, description="people, divided among train, val and test")
    images: int = Field(IMAGES_DRAWN, ge=1, le=1_000_000, description="images, of clips frames")
    seed: int = Field(SEED, ge=0, le=2**32 - 1)

    @field_validator("domains", "sources")
    @classmethod
    def _domains_known(cls, domains):
        try:
            return domains and tuple(dict.fromkeys(map(_standard, domains)))
        except DatasetError as error:
            raise ValueError(str(error)) from None


class Suite(Strict):
    """A comparison: which methods, under which protocol, how many seeds. The domains are the user's, or
    rendered.

    Without `experiments` every domain is a source and a target (`within`: its own, `across`: the others'),
    unless `sources` and `targets` say less; with them, these say what is trained and tested on what.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=60)
    title: Line
    preset: str
    classes: Distinct[str] = BASIC
    divisions: Distinct[Distinct[str]] | None = Field(
        None,
        json_schema_extra={"since": "0.1.0"},
        description=(
            "which of the classes are tested and not trained on, one list per division; a number stands for"
            " every choice of so many"
        ),
    )
    rendered: RenderedDomains = RenderedDomains()
    sources: Distinct[Source] | None = Field(
        None, description="only these domains are trained on; a+b is one training over a and b"
    )
    targets: Distinct[str] | None = Field(
        None, description="only these domains are tested on; they need test images alone"
    )
    within: bool = Field(True, description="test each source on its own test split, the reference")
    across: bool = Field(True, description="test each source on the other domains")
    image_size: int = Field(84, ge=16, le=LARGEST_IMAGE)
    seeds: Distinct[Annotated[int, Field(ge=0, le=2**32 - 1)]] = (0, 1, 2)
    selection: Distinct[Selection] = Field(
        ("source-val", "last", "oracle"),
        description=(
            "how a checkpoint is picked, for each readout by its own validation: an own head by its UAR on "
            "all images of the split, the others by their accuracy in its validation episodes"
        ),
    )
    protocol: Protocol = Protocol()
    search: Search | None = Field(
        None, json_schema_extra={"since": "0.2"}, description="pick each method's hyper-parameters first"
    )
    readouts: Distinct[str] | None = Field(
        None,
        json_schema_extra={"since": "0.2"},
        description=(
            "by which every method's features are read, if they are vectors; default: by those that each"
            " method's class names. A method's own answers stay"
        ),
    )
    # The alias is the name of older hashes.
    methods: dict[str, SerializeAsAny[TrainingConfig]] = Field(min_length=1, serialization_alias="algorithms")
    budget: Budget | None = Field(
        None,
        json_schema_extra={"since": "0.1.0"},
        description="what every training may use, in place of each method's `steps`",
    )
    roles: dict[Key, Role] = {}
    mixtures: dict[Key, Mixture] = {}
    experiments: dict[Key, Experiment] = {}
    readings: tuple[Reading, ...] = Field((), description="what else the report shows")
    primary: Primary | None = Field(
        None, description="the one contrast that is tested; all else is exploratory"
    )
    # The roles that some experiment of the file trains on, also where a bench takes only some of its
    # experiments: an experiment's test images shall not depend on which others are run.
    _trained: frozenset[str] = PrivateAttr(frozenset())

    def model_post_init(self, context) -> None:
        self._trained = frozenset(one.train for one in self.experiments.values()) & set(self.roles)

    @property
    def trained_roles(self) -> frozenset[str]:
        return self._trained

    @field_validator("name")
    @classmethod
    def _folder_is_its_own(cls, name):
        if name.endswith(RESERVED):
            raise ValueError(
                f"{name!r} ends like the folder of a preset ({' or '.join(RESERVED)}); give the suite another"
                " name"
            )
        return name

    @field_validator("classes")
    @classmethod
    def _classes_known(cls, classes):
        """A data set may bring labels of its own, so only what looks like a slip is an error here; that the
        data have the classes is seen when they are known (`runner.vocabulary`).
        """
        for name in classes:
            near = [] if name in EXPRESSIONS else get_close_matches(name, EXPRESSIONS, 1, cutoff=0.75)
            if near or name != lowered(name) or not name.isidentifier():
                meant = f"; did you mean {near[0]!r}?" if near else ""
                raise ValueError(f"{name!r} is not a label{meant} (known: {', '.join(EXPRESSIONS)})")
        return classes

    @field_validator("divisions", mode="before")
    @classmethod
    def _every_choice(cls, divisions, info: ValidationInfo):
        """A division is written in one way, whatever the order in the file."""
        classes = info.data.get("classes", ())
        if type(divisions) is int:
            return every_choice(classes, divisions)
        lists = isinstance(divisions, tuple) and all(isinstance(one, tuple) for one in divisions)
        return tuple(in_order(classes, one) for one in divisions) if lists else divisions

    @field_validator("readouts")
    @classmethod
    def _readouts_known(cls, readouts):
        unknown = [name for name in readouts or () if name not in READOUTS]
        if unknown:
            there = f"there are {', '.join(READOUTS)}"
            raise ValueError(f"no readout is called {unknown[0]!r}{offered(unknown[0], READOUTS, there)}")
        return readouts

    def config(self, method: str, experiment: str = "") -> TrainingConfig:
        """How a method is trained, with what the experiment (its key) changes. Raises pydantic's
        ValidationError for a change that does not fit.
        """
        config = self.methods[method]
        one = self.experiments.get(experiment)
        changes = one.training.get(method) if one else None
        return with_values(config, changes) if changes else config


def read_suite(
    name: str,
    preset: str,
    split: dict | str | None = None,
    draws: int | None = None,
    asked: Collection[str] | None = None,
    **changes,
) -> Suite:
    """The suite `name` (one of the package's, or the path of a .yaml file) under one of its presets.

    `changes` replace top-level fields, `split` that of the protocol, and `draws` what the search tries; those
    that are None do not. `asked` are the methods that a bench is to have, if not all; it gets those of the
    package, whether the suite names them or not. Raises SuiteError, which names the file, the line and the
    key.
    """
    raw, lines = extends.read(name)
    changed = _preset(raw.pop("presets", None), preset, lines)
    added = [name for name in asked or () if name in registry.names()]
    configs, faults = methods_of(raw, changed, preset, added)
    merged = merge(raw, changed)
    merged.pop("kinds", None)
    readouts = merged.get("readouts")  # an option may replace them before they are checked
    known = [one for one in READOUTS if one in readouts] if isinstance(readouts, list) else None
    file = Written(asked, (), known)
    options = {key: value for key, value in changes.items() if value is not None}
    merged.update(options, preset=preset)
    if split is not None:
        merged = merge(merged, {"protocol": {"split": split}})
    if draws is not None:
        merged["search"] = {**mapping(merged.get("search")), "draws": draws, "values": {}}
    merged = _protocols_filled_in(merged)
    suite, more = (None, []) if faults else _validate(merged, configs, file)
    if suite is None or more:
        raise error_of(faults or more, lines, preset, options)
    return suite


def _preset(presets: object, preset: str, lines: Lines) -> dict:
    """What a preset changes. Raises SuiteError for an unknown name."""
    if not isinstance(presets, dict) or preset not in presets:
        known = (
            f", or take one of {one_line(', '.join(presets), 200)}"
            if isinstance(presets, dict) and presets
            else ""
        )
        raise SuiteError(
            f"{lines.get(('presets',), lines[()])}: has no preset {preset!r}; add `presets:"
            f" {{{preset}: {{}}}}`, with what it changes between its braces{known}"
        )
    changed = {} if presets[preset] is None else presets[preset]
    if not isinstance(changed, dict):
        raise SuiteError(
            f"{lines['presets', preset]}: presets.{preset}: must be a mapping of what the preset"
            " changes, or {}"
        )
    return changed


def _protocols_filled_in(merged: dict) -> dict:
    """Each experiment's protocol is the suite's, with what it says itself. `null` takes one out."""
    experiments, protocol = merged.get("experiments"), merged.get("protocol") or {}
    if not isinstance(experiments, dict) or not isinstance(protocol, dict):
        return merged
    filled = {name: one for name, one in experiments.items() if one is not None}
    for name, one in filled.items():
        own = one.get("protocol") or {} if isinstance(one, dict) else None
        if isinstance(own, dict):
            filled[name] = {**one, "protocol": merge(protocol, own)}
    return {**merged, "experiments": filled}


def _validate(
    merged: dict, configs: dict[str, TrainingConfig], file: Written
) -> tuple[Suite | None, list[Fault]]:
    """The suite, and its faults."""
    written = [
        name
        for name, one in mapping(merged.get("methods")).items()
        if (mapping(one).get("method") or name) in registry.names()
    ]
    methods = configs if isinstance(merged.get("methods", {}), dict) else merged["methods"]
    try:
        suite = Suite.model_validate({**merged, "methods": methods})
    except ValidationError as error:
        return None, plain(error)
    return suite, faults_of(suite, replace(file, methods=written))
