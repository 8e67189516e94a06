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
from fer_meta.expressions import BASIC
from fer_meta.tasks.protocol import Protocol, Strict

Selection = Literal["source-val", "last", "oracle"]


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
    """A comparison: which methods, under which protocol, how many seeds. The domains are the user's, or rendered."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str
    preset: str
    classes: tuple[str, ...] = BASIC
    rendered: RenderedDomains = RenderedDomains()
    sources: tuple[str, ...] | None = Field(None, min_length=1, description="only these domains are trained on; all are targets")
    within: bool = Field(True, description="also test each source on its own test split, the reference")
    image_size: int = Field(84, ge=16)
    seeds: tuple[int, ...] = Field((0, 1, 2), min_length=1)
    selection: tuple[Selection, ...] = Field(("source-val", "last", "oracle"), min_length=1)
    protocol: Protocol = Protocol()
    algorithms: dict[str, SerializeAsAny[TrainingConfig]] = Field(min_length=1)


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
    suite, errors = _validate(merged)
    if errors:
        # A key that stands in the file is the better clue than one that does not: `titel`, and not `title` missing.
        loc, message = min(errors, key=lambda e: e[0] not in lines and ("presets", preset, *e[0]) not in lines)
        line = _line(lines, loc, preset)
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise SuiteError(f"{origin}, line {line}: {'.'.join(map(str, loc)) or 'suite'}: {message}{more}")
    return suite


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
            try:
                configs[name] = algorithms.load(str(name)).Config.model_validate(values or {})
            except SuiteError as error:
                errors.append((("algorithms", name), str(error)))
            except ValidationError as error:
                errors += [(("algorithms", name, *loc), message) for loc, message in _plain(error)]
    if errors:
        return None, errors
    try:
        return Suite.model_validate({**merged, "algorithms": configs}), []
    except ValidationError as error:
        return None, _plain(error)


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
