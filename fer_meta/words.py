"""Numbers with their nouns."""


def people(number: int) -> str:
    """`1 person`, `1,200 people`."""
    return f"{number:,} {'person' if number == 1 else 'people'}"


def many(number: int, one: str, several: str = "") -> str:
    """`1 run`, `1,200 runs`; `2 classes` where that is how several are called."""
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"


def storage(number: float) -> str:
    """Bytes: `0.3 MB`, `12.0 GB`."""
    return f"{number / 1e9:,.1f} GB" if number >= 1e9 else f"{number / 1e6:,.1f} MB"
