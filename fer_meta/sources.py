"""The names of sources. One training over several data sets is called by their names with `+` between them,
which no data set has in its own.
"""

from collections.abc import Collection

PLUS = "+"


def parts_of(source: str) -> tuple[str, ...]:
    """The data sets that a source is made of: one, or those between its `+`."""
    return tuple(source.split(PLUS))


def source_name(text: str) -> str:
    """The one name of a source: `b+a` is the same training as `a+b`, which is its name. Raises ValueError for
    an empty part, and for a data set that comes twice.
    """
    parts = parts_of(text)
    if len(parts) > 1 and not all(parts):
        raise ValueError(f"{text!r} lacks a data set beside a +; name one training over a and b as a+b")
    if len(set(parts)) < len(parts):
        raise ValueError(f"{text!r} has a data set twice; name each once")
    return PLUS.join(sorted(parts))


def is_rendered(domain: str, rendered: Collection[str]) -> bool:
    """Whether a domain, or a part of a source, is among the names `rendered`."""
    return not {domain, *parts_of(domain)}.isdisjoint(rendered)


def called(domain: str, rendered: Collection[str]) -> str:
    """A domain for people: `synthetic-wild (rendered)` if it is among the names `rendered`. Of a source of
    several data sets, which are: `a+b (rendered)` or `a+b (b rendered)`.
    """
    parts = parts_of(domain)
    found = [part for part in parts if part in rendered]
    if domain in rendered or len(found) == len(parts):
        return f"{domain} (rendered)"
    return f"{domain} ({', '.join(found)} rendered)" if found else domain
