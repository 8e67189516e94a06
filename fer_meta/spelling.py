"""Which known name is meant by one that is spelt otherwise: `FER2013`, `raf-db`, `CK+`, `protonett`."""

from collections.abc import Iterable
from difflib import get_close_matches

_MOST = 3
_LIKE = 0.75  # difflib's ratio: one wrong letter in four or so
_LIKE_SHORT = 0.66  # of three letters: one wrong


def same(name: str, known: Iterable[str]) -> list[str]:
    """The known names that differ in case, hyphens and the like alone; `+` is read as `plus`.

    >>> same("FER-2013", ["fer2013", "ferv39k"]), same("CK+", ["ckplus"])
    (['fer2013'], ['ckplus'])
    """
    return [one for one in known if one != name and _key(one) == _key(name)]


def close(name: str, known: Iterable[str]) -> list[str]:
    """At most three known names that are the same, begin with this one, or are like it, the closest first.

    >>> close("resnet81", ["conv4", "resnet12", "resnet18"]), close("ncn", ["probe", "ncm"])
    (['resnet18', 'resnet12'], ['ncm'])
    """
    known = [one for one in dict.fromkeys(known) if one != name]
    key, keys = _key(name), {one: _key(one) for one in known}
    near = get_close_matches(key, keys.values(), _MOST, _LIKE if len(key) > 3 else _LIKE_SHORT)
    found = (
        same(name, known)
        or [one for one in known if len(key) > 1 and keys[one].startswith(key)]
        or sorted((one for one in known if keys[one] in near), key=lambda one: near.index(keys[one]))
    )
    return found[:_MOST]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A question that ends a message: the known names that are `close`; "" if there is none.

    >>> did_you_mean("raf-db", ["rafdb-basic", "rafdb-compound", "afew"])
    '; did you mean rafdb-basic or rafdb-compound?'
    """
    found = close(name, known)
    return f"; did you mean {' or '.join(found)}?" if found else ""


def offered(name: str, known: Iterable[str], there: str) -> str:
    """How a message about an unknown name ends: the names that are `close`, then what is `there`, in words.

    >>> offered("ncn", ["probe", "ncm"], "there are probe, ncm"), offered("x", ["ncm"], "there is ncm")
    ('; did you mean ncm? (there are probe, ncm)', '; there is ncm')
    """
    question = did_you_mean(name, known)
    return f"{question} ({there})" if question else f"; {there}"


def _key(name: str) -> str:
    return "".join(letter for letter in name.lower().replace("+", "plus") if letter.isalnum())
