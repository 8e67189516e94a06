"""What a method's answers are called in tables and plots, and their colour. Nothing here imports torch."""

import colorsys
import hashlib
from typing import NamedTuple


class Label(NamedTuple):
    """The name for people of one kind of answer, its colour in plots (#RRGGBB) and its place in tables."""

    label: str
    colour: str
    order: int


def colour_of(name: str) -> str:
    """A colour that depends on `name` alone, so that it is the same in every plot."""
    digest = hashlib.blake2b(name.encode(), digest_size=2).digest()
    red, green, blue = colorsys.hls_to_rgb(int.from_bytes(digest, "big") / 65536, 0.42, 0.55)
    return f"#{round(255 * red):02X}{round(255 * green):02X}{round(255 * blue):02X}"
