"""The vocabulary: one canonical name for each facial expression, whatever a data set calls it."""

import re
from functools import lru_cache

BASIC = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
"""The seven classes that RAF-DB basic, FER2013 and AFEW share, in RAF-DB's order."""

CONTEMPT = "contempt"

COMPOUND = (
    "happily_surprised",
    "happily_disgusted",
    "sadly_fearful",
    "sadly_angry",
    "sadly_surprised",
    "sadly_disgusted",
    "fearfully_angry",
    "fearfully_surprised",
    "angrily_surprised",
    "angrily_disgusted",
    "disgustedly_surprised",
)
"""The eleven classes of RAF-DB compound, in the order of its labels 1 to 11."""

RARE_COMPOUND = ("fearfully_disgusted", "happily_fearful", "happily_sad", "appalled", "hatred", "awed")
"""The compound classes that RAF-CE and CFEE have and RAF-DB does not."""

OTHER = ("anxiety", "helplessness", "disappointment")
"""The further states of mind of MAFW."""

EXPRESSIONS = (*BASIC, CONTEMPT, *COMPOUND, *RARE_COMPOUND, *OTHER)
"""Every canonical name, in the order in which classes are numbered and printed."""

ALIASES = {
    alias: name
    for name, aliases in {
        "surprise": "surprised surprize suprise suprised astonished astonishment",
        "fear": "afraid fearful feared scared frightened",
        "disgust": "disgusted disgusting digust",
        "happiness": "happy hapiness happines joy joyful",
        "sadness": "sad sadnes sorrow",
        "anger": "angry",
        "neutral": "neutrality",
        "contempt": "contemptuous contemptous",
    }.items()
    for alias in aliases.split()
}
"""The words, and the slips of the pen, that data sets have for an expression."""

_NUMBERED = re.compile(r"^[0-9]+[^0-9a-z]+(?=[a-z])")  # `0 - anger`, `1_surprise`


def canonical(name: str) -> str:
    """The canonical name of an expression: `Angry` is `anger`, `Happily Surprised` is `happily_surprised`.

    Case does not matter, blanks, hyphens and underscores are the same, and a number before the name is
    ignored. Raises ValueError, which lists the known names, for any other name: for a bare number, which
    every data set gives to another expression, too.

    >>> canonical("Happily Surprised"), canonical("Angry")
    ('happily_surprised', 'anger')
    """
    key = lowered(_NUMBERED.sub("", name.lower().strip(), count=1))
    key = ALIASES.get(key, key)
    if key not in EXPRESSIONS:
        raise ValueError(f"unknown expression '{name}'; known are {', '.join(EXPRESSIONS)}")
    return key


@lru_cache(maxsize=1024)  # asked for each file's folder
def lowered(name: str) -> str:
    """A name in lower case with single underscores between its words: `Happily-Surprised ` is
    `happily_surprised`.
    """
    return "_".join(name.lower().replace("-", " ").replace("_", " ").split())
