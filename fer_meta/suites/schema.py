"""What a suite file may say. `read_suite` turns one into a Suite, or into an error that names the key and the line."""

from importlib import resources
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, SerializeAsAny, ValidationError, field_validator

from fer_meta import algorithms
from fer_meta.algorithms.base import TrainingConfig
from fer_meta.datasets.synthetic.rendered import IMAGES_DRAWN, SEED, SUBJECTS, domain_name, parse_name
from fer_meta.errors import DatasetError, SuiteError
from fer_meta.expressions import BASIC, EXPRESSIONS
from fer_meta.suites.experiments import Experiment, Mixture, Role
from fer_meta.tasks.protocol import Protocol, Strict

Selection = Literal["source-val", "last", "oracle"]
# What may stand in extra columns: accuracy in the training episodes, and with support and query from shared clips.
Reading = Literal["training", "shared-clips"]


class RenderedDomains(Strict):
    """The domains of a bench that is given no data, and how large each rendered one is."""

    domains: tuple[str, ...] = Field(("synthetic-studio", "synthetic-wild", "synthetic-film"), min_length=1)
    sources: tuple[str, ...] | None = Field(None, min_length=1, description="only these of them are trained on; all are targets")
    subjects: int = Field(SUBJECTS, ge=1, description="people, divided among train, val and test")
    images: int = Field(IMAGES_DRAWN, ge=1, description="images, of clips frames")
    seed: int = Field(SEED, ge=0)

    @field_validator("domains", "sources")
    @classmethod
    def _domains_known(cls, domains):
        try:
            return domains and tuple(dict.fromkeys(domain_name(*parse_name(name)) for name in domains))
        except DatasetError as error:
            raise ValueError(str(error)) from None


class Suite(Strict):
    """A comparison: which methods, under which protocol, how many seeds. The domains are the user's, or rendered.

    Without `experiments` every domain is a source and a target (`within`: its own, `across`: the others'); with them, these say what is
    trained and tested on what.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str
    preset: str
    classes: tuple[str, ...] = BASIC
    rendered: RenderedDomains = RenderedDomains()
    sources: tuple[str, ...] | None = Field(None, min_length=1, description="only these domains are trained on; all are targets")
    within: bool = Field(True, description="test each source on its own test split, the reference")
    across: bool = Field(True, description="test each source on the other domains")
    image_size: int = Field(84, ge=16)
    seeds: tuple[int, ...] = Field((0, 1, 2), min_length=1)
    selection: tuple[Selection, ...] = Field(("source-val", "last", "oracle"), min_length=1)
    protocol: Protocol = Protocol()
    algorithms: dict[str, SerializeAsAny[TrainingConfig]] = Field(min_length=1)
    roles: dict[str, Role] = {}
    mixtures: dict[str, Mixture] = {}
    experiments: dict[str, Experiment] = {}
    readings: tuple[Reading, ...] = Field((), description="extra columns beside published figures")

    @field_validator("classes")
    @classmethod
    def _classes_known(cls, classes):
        unknown = [name for name in classes if name not in EXPRESSIONS]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no expression; there are {', '.join(EXPRESSIONS)}")
        return classes


def suite_names() -> list[str]:
    """The suites that come with the package."""
    files = resources.files(__package__).iterdir()
    return sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


def read_suite(name: str, preset: str, **changes) -> Suite:
    """The suite `name` (one of the package's, or the path of a .yaml file) under one of its presets.

    `changes` replace top-level fields; those that are None do not. Raises SuiteError, which names the file, the line and the key.
    """
    text, origin = _text(name)
    try:
        raw = yaml.safe_load(text)
        lines = _lines(yaml.compose(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{origin}, line {mark.line + 1}" if mark else origin
        raise SuiteError(f"{where}: not valid YAML ({getattr(error, 'problem', error)})") from error
    if not isinstance(raw, dict):
        raise SuiteError(f"{origin}: a suite is a mapping of keys such as `name`, `protocol` and `algorithms`")
    presets = raw.pop("presets", None)
    if not isinstance(presets, dict) or preset not in presets:
        known = ", ".join(presets) if isinstance(presets, dict) else "none"
        raise SuiteError(f"{origin}: has no preset {preset!r}; under `presets:` it has {known}")
    merged = _merge(raw, presets[preset] or {})
    merged.update({key: value for key, value in changes.items() if value is not None}, preset=preset)
    merged = _protocols_filled_in(merged)
    suite, errors = _validate(merged)
    if errors:
        # A key that stands in the file is the better clue than one that does not: `titel`, and not `title` missing.
        loc, message = min(errors, key=lambda e: e[0] not in lines and ("presets", preset, *e[0]) not in lines)
        line = _line(lines, loc, preset)
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise SuiteError(f"{origin}, line {line}: {'.'.join(map(str, loc)) or 'suite'}: {message}{more}")
    return suite


def _protocols_filled_in(merged: dict) -> dict:
    """Each experiment's protocol is the suite's, with what the experiment says of it."""
    experiments, protocol = merged.get("experiments"), merged.get("protocol") or {}
    if not isinstance(experiments, dict) or not isinstance(protocol, dict):
        return merged
    filled = {
        name: {**one, "protocol": _merge(protocol, one.get("protocol") or {})} if isinstance(one, dict) else one
        for name, one in experiments.items()
    }
    return {**merged, "experiments": filled}


def _text(name: str) -> tuple[str, str]:
    """The suite's text and what to call it in messages."""
    if not name.endswith((".yaml", ".yml")):
        if name not in suite_names():
            raise SuiteError(f"no suite is called {name!r}; there are {', '.join(suite_names())}, or give a .yaml file")
        return resources.files(__package__).joinpath(f"{name}.yaml").read_text(encoding="utf-8"), f"{name}.yaml"
    try:
        return Path(name).read_text(encoding="utf-8"), name
    except (OSError, UnicodeDecodeError) as error:
        raise SuiteError(f"{name}: cannot be read as a suite file ({error})") from error


def _validate(merged: dict) -> tuple[Suite | None, list[tuple[tuple, str]]]:
    """The suite, or the errors as (path of keys, message). Each method's file says what it can be told."""
    errors, configs = [], merged.get("algorithms")
    if isinstance(configs, dict):
        configs = {}
        for name, values in merged["algorithms"].items():
            if values is None:  # a preset leaves the method out
                continue
            try:
                configs[name] = algorithms.load(str(name)).Config.model_validate(values)
            except SuiteError as error:
                errors.append((("algorithms", name), str(error)))
            except ValidationError as error:
                errors += [(("algorithms", name, *loc), message) for loc, message in _plain(error)]
    if errors:
        return None, errors
    try:
        suite = Suite.model_validate({**merged, "algorithms": configs})
    except ValidationError as error:
        return None, _plain(error)
    return suite, _dangling(suite)


def _dangling(suite: Suite) -> list[tuple[tuple, str]]:
    """Names of roles, mixtures, experiments and algorithms that stand for nothing, as (path of keys, message)."""
    used = [(("mixtures", name, "parts", number, "role"), part.role, "role", suite.roles)
            for name, mixture in suite.mixtures.items() for number, part in enumerate(mixture.parts)]
    for name, one in suite.experiments.items():
        where = "experiments", name
        used += [((*where, "train"), one.train, "role or mixture", {**suite.roles, **suite.mixtures}),
                 ((*where, "test"), one.test, "role", suite.roles)]
        used += [((*where, "algorithms"), algorithm, "algorithm of the suite", suite.algorithms) for algorithm in one.algorithms or ()]
        used += [((*where, "against"), one.against, "experiment", suite.experiments)] if one.against is not None else []
    return [(loc, f"{name!r} is no {what}; there are {', '.join(there) or 'none'}") for loc, name, what, there in used if name not in there]


def _plain(error: ValidationError) -> list[tuple[tuple, str]]:
    """pydantic's errors as (path of keys, message); its words for a key that is none are not a user's."""
    return [(e["loc"], "unknown key" if e["type"] == "extra_forbidden" else e["msg"]) for e in error.errors()]


def _merge(base: dict, changes: dict) -> dict:
    """`changes` over `base`, mapping by mapping; lists and values are replaced."""
    merged = dict(base)
    for key, value in changes.items():
        nested = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if nested else value
    return merged


def _lines(node, path: tuple = ()) -> dict[tuple, int]:
    """The line (from 1) of every key and list item, by its path."""
    if isinstance(node, yaml.MappingNode):
        children = [(path + (key.value,), key, value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        children = [(path + (i,), item, item) for i, item in enumerate(node.value)]
    else:
        return {}
    found = {where: at.start_mark.line + 1 for where, at, _ in children}
    for where, _, value in children:
        found.update(_lines(value, where))
    return found


def _line(lines: dict[tuple, int], loc: tuple, preset: str) -> int:
    """The line of `loc`, or of the nearest key above it; where the preset says it too, the preset's has the last word."""
    for end in range(len(loc), 0, -1):
        for path in (("presets", preset, *loc[:end]), loc[:end]):
            if path in lines:
                return lines[path]
    return 1
