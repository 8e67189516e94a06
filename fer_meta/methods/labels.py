"""What a method's answers are called in tables and plots, and their colour. Nothing here imports torch."""

import colorsys
import hashlib
from typing import NamedTuple


class Label(NamedTuple):
    """The name for people of one kind of answer, its colour in plots (#RRGGBB) and its place in tables."""

    label: str
    colour: str
    order: int


def answer_in(key: str, method: str, answer: str) -> str:
    """The name on disk of an answer of `method`, whose settings a suite calls `key`.

    >>> answer_in("frozen-random", "frozen", "frozen-ncm"), answer_in("fast", "maml", "fomaml")
    ('frozen-random-ncm', 'fast-fomaml')
    """
    own, new = method.replace("_", "-"), key.replace("_", "-")
    if key == method:
        return answer
    rest = answer.removeprefix(own)
    return f"{new}{rest}" if rest != answer and rest[:1] in ("", "-") else f"{new}-{answer}"


def label_in(label: Label, colour: str, old: str, new: str) -> Label:
    """The label of an answer of a method that tables call `new` in place of `old`.

    >>> label_in(Label("Frozen (linear probe)", "#000000", 3), "#112233", "Frozen", "Random Conv4").label
    'Random Conv4 (linear probe)'
    """
    text = label.label
    text = new + text.removeprefix(old) if text.startswith(old) else f"{new}: {text}"
    return Label(text, colour, label.order)


def colour_of(name: str, lighter: int = 0) -> str:
    """A colour that depends on `name` alone, so that it is the same in every plot; `lighter` ones of its hue
    are for more answers of one training.
    """
    digest = hashlib.blake2b(name.encode(), digest_size=2).digest()
    red, green, blue = colorsys.hls_to_rgb(
        int.from_bytes(digest, "big") / 65536, 0.42 + 0.4 * (1 - 0.7**lighter), 0.55
    )
    return f"#{round(255 * red):02X}{round(255 * green):02X}{round(255 * blue):02X}"
