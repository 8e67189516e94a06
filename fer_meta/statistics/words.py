"""Whether two methods differ, in words."""

import math
from dataclasses import replace

from scipy import special

from fer_meta.statistics.intervals import ALPHA, Estimate
from fer_meta.statistics.rounding import DECIMALS, points, settled

POWER = 0.8


def episodes_needed(difference: Estimate) -> int | None:
    """Episodes with which a true difference of this size is found in 80 of 100 benchmarks; None: no number
    would do.

    At 5 %, corrected as `difference` is. Only the episodes' variance falls with their number; that of seeds
    and groups, supports included, stays. For queries that are new in each episode: it does not hold where
    every image is a query once, because there is no more of them.
    """
    variance = dict(difference.variance)
    of_one = variance.pop("episodes", math.nan) * difference.counts["episodes"]
    powered = special.stdtrit(difference.df, 1 - ALPHA / 2 / difference.tests) + special.stdtrit(
        difference.df, POWER
    )
    allowed = (settled(difference.value) / powered) ** 2
    room = allowed - sum(variance.values())
    if math.isnan(of_one) or not room > 1e-9 * allowed:  # rounding, or NaN where no spread is seen
        return None
    return max(2, math.ceil(of_one / room * (1 - 1e-9)))


def statement(
    first: str, second: str, difference: Estimate, groups: str = "groups", once: bool = False
) -> str:
    """`difference` (first - second) in words, the better method first.

    `groups` says what a group is ("people"), `once` that each image was a query once: then there are no more
    episodes to be had.
    """
    difference = replace(difference, value=settled(difference.value))
    if difference.value < 0:
        first, second = second, first
        difference = replace(difference, value=-difference.value, low=-difference.high, high=-difference.low)
    if math.isnan(difference.se):
        return (
            f"{first} and {second} differ by {points(difference.value)} points; no interval, for nothing in"
            " these answers shows a spread"
        )
    value, low, high = (
        points(min(max(x, -1.0), 1.0)) for x in (difference.value, difference.low, difference.high)
    )
    p = settled(difference.p)
    together = "simultaneous " if difference.tests > 1 else ""
    spread = f"{together}95 % interval {low} to {high}, {p_in_words(p)}"
    one_seed = (
        " (one seed each: says nothing about other trainings)" if difference.counts["seeds"] == 1 else ""
    )
    if p < ALPHA:
        return f"{first} > {second} by {value} points ({spread}){one_seed}"
    in_episodes = difference.counts["episodes"] > 1 and not once
    tested = (
        f"{difference.counts['episodes']:,} episodes"
        if in_episodes
        else f"{difference.counts['groups']:,} {groups}"
    )
    more = _more(difference, groups) if in_episodes else ""
    return (
        f"{first} and {second} are not separable with these {tested} (difference {value} points,"
        f" {spread}){more}{one_seed}"
    )


def p_in_words(p: float) -> str:
    """p = 0.012, p = 0.0498, p < 0.001: never on the other side of 0.05 than p, nor at it.

    >>> p_in_words(0.0123), p_in_words(0.00001)
    ('p = 0.012', 'p < 0.001')
    """
    return "p < 0.001" if p < 0.001 else f"p = {p_digits(p, 3 if p < 0.0995 else 2)}"


def p_digits(p: float, decimals: int = 3) -> str:
    """A p to so many decimals, or to as many more as it takes to tell it from ALPHA."""
    texts = (f"{settled(p):.{more}f}" for more in range(decimals, DECIMALS + 1))
    return next((text for text in texts if float(text) != ALPHA), f"{ALPHA:.{decimals}f}")


def _more(difference: Estimate, groups: str) -> str:
    """What would make it separable; nothing where that is not known or more episodes are not what
    is lacking.
    """
    needed = episodes_needed(difference)
    if needed is None:
        words = {"seeds": "seeds", "groups": groups}
        least = 1e-9 * sum(difference.variance.values())  # rounding
        spread = " and ".join(
            f"{difference.counts[level]:,} {words[level]}"
            for level in words
            if difference.variance.get(level, 0) > least
        )
        return (
            f"; no number of episodes would do: the spread over {spread} is too large"
            if spread and difference.value
            else ""
        )
    if needed <= difference.counts["episodes"]:
        return ""
    step = 10 ** max(len(str(needed)) - 2, 0)
    return f"; about {-(-needed // step) * step:,} would do"
