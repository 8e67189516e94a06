"""The vocabulary: one canonical name for each facial expression, whatever a data set calls it."""

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

EXPRESSIONS = (*BASIC, CONTEMPT, *COMPOUND)
"""Every canonical name, in the order in which classes are numbered and printed."""

_ALIASES = {
    "surprised": "surprise",
    "afraid": "fear",
    "fearful": "fear",
    "disgusted": "disgust",
    "happy": "happiness",
    "sad": "sadness",
    "angry": "anger",
    "contemptuous": "contempt",
}


def canonical(name: str) -> str:
    """The canonical name of an expression: `Angry` is `anger`, `Happily Surprised` is `happily_surprised`.

    Case does not matter, and blanks, hyphens and underscores are the same. Raises ValueError, which
    lists the known names, for any other name.

    >>> canonical("Happily Surprised"), canonical("Angry")
    ('happily_surprised', 'anger')
    """
    key = "_".join(name.lower().replace("-", " ").replace("_", " ").split())
    key = _ALIASES.get(key, key)
    if key not in EXPRESSIONS:
        raise ValueError(f"unknown expression '{name}'; known are {', '.join(EXPRESSIONS)}")
    return key
