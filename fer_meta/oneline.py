"""Texts of users in one line: titles, names and errors that go to a terminal, into a table or into
a message.
"""

import re

# Control characters (line breaks and a terminal's escape codes among them), line separators, what turns the
# direction of all that follows in a line, and bytes that are no text.
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_RUNS = re.compile(rf"\s*(?:{UNPRINTABLE.pattern}\s*)+")


def one_line(text: str, most: int | None = None) -> str:
    """`text` with a space for whatever is not printable; no more than `most` characters."""
    text = _RUNS.sub(" ", text).strip() if UNPRINTABLE.search(text) else text
    return text if most is None or len(text) <= most else text[: most - 1] + "…"


def escaped(text: str) -> str:
    """`text` in one line that loses nothing, for names of files: line breaks, control characters and odd
    bytes become escapes.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def cleaned(value):
    """A value of JSON with each text in it, keys included, in one line."""
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, list):
        return [cleaned(one) for one in value]
    if isinstance(value, dict):
        return {one_line(key): cleaned(one) for key, one in value.items()}
    return value
