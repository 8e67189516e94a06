"""Numbers with their nouns."""


def people(number: int) -> str:
    """`1 person`, `1,200 people`."""
    return f"{number:,} {'person' if number == 1 else 'people'}"
