"""How the figure of mean ranks is read: said in its title and in its caption, so that the two agree. Without
matplotlib, which a page does not need.
"""

MOST_NAMES = 16
"""So many names fit beside the bars of Demsar's diagram; more are a list."""


def what_bars_say(names: int) -> str:
    """Which methods differ, where so many are ranked."""
    return (
        "a bar joins methods whose ranks do not differ significantly"
        if names <= MOST_NAMES
        else "two methods whose bars do not touch differ"
    )
