"""Which known data set a name means that is spelt otherwise: `FER2013`, `raf-db`, `CK+`."""

from collections.abc import Iterable
from difflib import get_close_matches

_MOST = 3
_LIKE = 0.75  # difflib's ratio: one wrong letter in four or so


def same(name: str, known: Iterable[str]) -> list[str]:
    """The known names that differ in case, hyphens and the like alone; `+` is read as `plus`.

    >>> same("FER-2013", ["fer2013", "ferv39k"]), same("CK+", ["ckplus"])
    (['fer2013'], ['ckplus'])
    """
    return [one for one in known if one != name and _key(one) == _key(name)]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A question that ends a message: the known names that are the same, begin with this one, or are like it;
    "" if there is none.

    >>> did_you_mean("raf-db", ["rafdb-basic", "rafdb-compound", "afew"])
    '; did you mean rafdb-basic or rafdb-compound?'
    """
    known = [one for one in known if one != name]
    keys = {one: _key(one) for one in known}
    near = get_close_matches(_key(name), keys.values(), _MOST, _LIKE)
    found = (
        same(name, known)
        or [one for one in known if len(_key(name)) > 1 and keys[one].startswith(_key(name))]
        or [one for one in known if keys[one] in near]
    )
    return f"; did you mean {' or '.join(found[:_MOST])}?" if found else ""


def _key(name: str) -> str:
    return "".join(letter for letter in name.lower().replace("+", "plus") if letter.isalnum())
