"""What a suite file says to no effect, because a preset of a suite that it extends says otherwise."""

from collections.abc import Iterator, Mapping
from typing import Any

from fer_meta.suites import extends
from fer_meta.suites.schema import Suite
from fer_meta.suites.search import with_values
from fer_meta.suites.settings import mapping
from fer_meta.suites.smoke import SMOKE
from fer_meta.suites.text import is_path


def overruled(name: str, suite: Suite) -> str:
    """One line that names the keys outside `presets` of the user's own file `name` that have no effect in
    `suite`, which was read from it, and the fix; nothing without any, for a suite of the package, and under
    `smoke`, whose sizes nobody names.
    """
    if not is_path(name) or suite.preset == SMOKE:
        return ""
    raw, lines = extends.read(name)
    preset = mapping(mapping(raw.pop("presets", None)).get(suite.preset))
    own = lines[()].origin
    found = [
        path
        for path, value in _leaves(raw)
        if path in lines
        and lines[path].origin == own
        and (_set_otherwise(suite, path, value) if path[0] == "methods" else _other(preset, path, value))
        and not any(
            lines[one].origin == own
            for one in (("presets", suite.preset, *path[:depth]) for depth in range(len(path), 0, -1))
            if one in lines
        )
    ]
    keys = ", ".join(
        f"{'.'.join(path)} (line {lines[path].line})"
        for path in sorted(found, key=lambda path: lines[path].line)
    )
    return keys and (
        f"{own}: these keys have no effect: {keys}. The preset {suite.preset} of a suite that this one"
        f" extends sets them otherwise; put them under `presets: {{{suite.preset}: ...}}`"
    )


def _leaves(raw: Mapping, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The path and value of everything that is no mapping."""
    for key, value in raw.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key), value


def _other(preset: Any, path: tuple[str, ...], value: Any) -> bool:
    """Whether the preset has something else there."""
    for key in path:
        if not isinstance(preset, dict) or key not in preset:
            return False
        preset = preset[key]
    return preset != value


def _set_otherwise(suite: Suite, path: tuple[str, ...], value: Any) -> bool:
    """Whether a method is trained with another value of this setting: a preset may set it for its kind."""
    _, method, *settings = path
    config = suite.methods.get(method)
    if config is None or len(settings) != 1 or settings[0] not in type(config).model_fields:
        return False
    return with_values(config, {settings[0]: value}) != config
