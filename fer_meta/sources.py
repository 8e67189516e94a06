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


def called(domain: str, rendered: Collection[str], mark: str = " (rendered)") -> str:
    """A domain for people: `mark` follows one that is among the names `rendered`. It follows a source of
    several data sets once if all are among them, else each that is.
    """
    parts = parts_of(domain)
    if domain in rendered or all(part in rendered for part in parts):
        return domain + mark
    return PLUS.join(part + mark if part in rendered else part for part in parts)
