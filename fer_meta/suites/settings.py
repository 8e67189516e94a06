"""How each method of a suite is trained: by the defaults of its kind and preset, and by what the suite says.

Later ones come on top: the method's Config, `kinds`, `methods`, and the same two of the preset.
"""

import re
from collections.abc import Iterable

from pydantic import ValidationError

from fer_meta.errors import SuiteError
from fer_meta.methods import registry
from fer_meta.methods.base import TrainingConfig
from fer_meta.suites.extends import merge
from fer_meta.suites.text import SHARED, parse, suite_text

KINDS = ("episodic", "inner-loop", "supervised")
KEY = re.compile(r"[a-z][a-z0-9_-]{0,39}")

# (path of keys, message)
Fault = tuple[tuple, str]


def methods_of(
    suite: dict, preset: dict, preset_name: str, added: Iterable[str]
) -> tuple[dict[str, TrainingConfig], list[Fault]]:
    """The settings of each method that a suite names, and of those `added` to it, by name; or what is wrong.
    A method that is null is left out. Those added take the package's defaults of their kind where the suite
    has none. Settings of another name than their method's say which in `method`.
    """
    named = merge(mapping(suite.get("methods")), mapping(preset.get("methods")))
    # Who asks for a method that a preset leaves out gets it, as the suite has it.
    named |= {name: {} for name in added if name in named and named[name] is None}
    added = [name for name in added if name not in named]
    shared, _ = parse(*suite_text(SHARED, shared=True)) if added else ({}, {})
    configs: dict[str, TrainingConfig] = {}
    faults = _faults_of_kinds(suite) or _faults_of_kinds(preset)
    for name, value in {**named, **{name: {} for name in added}}.items():
        if value is None or faults:
            continue
        layers = [suite, preset]
        if name in added:
            layers = [
                {"kinds": merge(shared["kinds"], mapping(suite.get("kinds")))},
                merge(mapping(shared["presets"].get(preset_name)), {"kinds": mapping(preset.get("kinds"))}),
            ]
        try:
            settings = _settings(name, layers) if isinstance(value, dict) else value
            configs[name] = registry.load(_method(name, settings)).Config.model_validate(settings)
            if not KEY.fullmatch(name):
                faults.append((("methods", name), "must be small letters, digits, - and _, at most 40"))
        except SuiteError as error:
            faults.append((("methods", name), str(error)))
        except ValidationError as error:
            faults += [(("methods", name, *loc), message) for loc, message in plain(error)]
    return configs, faults


def kind_of(name: str) -> str:
    """The kind of a method; "" for an unknown name."""
    try:
        return registry.kind(name)
    except SuiteError:
        return ""


def mapping(value: object) -> dict:
    """`value` if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def plain(error: ValidationError) -> list[Fault]:
    """pydantic's errors as (path of keys, message); its words for an unknown key are not a user's, and a list
    that is short because of a wrong item is no fault of its own.
    """
    errors = error.errors()
    return [
        (
            e["loc"],
            "unknown key" if e["type"] == "extra_forbidden" else e["msg"].removeprefix("Value error, "),
        )
        for e in errors
        if e["type"] != "too_short" or not any(e["loc"] == other["loc"][:-1] for other in errors)
    ]


def _method(key: str, settings: object) -> str:
    """The method that a suite's settings, which it calls `key`, are of."""
    named = mapping(settings).get("method") or key
    return named if isinstance(named, str) else key


def _settings(name: str, layers: list[dict]) -> dict:
    said = [mapping(mapping(layer.get("methods")).get(name)) for layer in layers]
    method = _method(name, {key: value for own in said for key, value in own.items()})
    fields = registry.load(method).Config.model_fields
    settings: dict = {}
    for layer in layers:
        of_kind = mapping(mapping(layer.get("kinds")).get(registry.kind(method)))
        settings = merge(settings, {key: value for key, value in of_kind.items() if key in fields})
        settings = merge(settings, mapping(mapping(layer.get("methods")).get(name)))
    return settings


def _faults_of_kinds(layer: dict) -> list[Fault]:
    kinds = layer.get("kinds", {})
    if not isinstance(kinds, dict):
        return [(("kinds",), f"must be a mapping of kinds of methods ({', '.join(KINDS)})")]
    faults: list[Fault] = []
    for kind, settings in kinds.items():
        if kind not in KINDS:
            faults.append((("kinds", kind), f"is not a kind of method; there are {', '.join(KINDS)}"))
        elif not isinstance(settings, dict):
            faults.append((("kinds", kind), "must be a mapping of settings"))
        else:
            faults += [
                (("kinds", kind, key), "no method of this kind has this setting")
                for key in settings
                if key not in _fields(kind)
            ]
    return faults


def _fields(kind: str) -> set[str]:
    names = [name for name in registry.built_in() if registry.kind(name) == kind]
    return {field for name in names for field in registry.load(name).Config.model_fields}
