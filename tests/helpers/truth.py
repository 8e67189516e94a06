"""What the words, numbers and codes of each data set mean, as its documentation says. Nothing here comes from
fer_meta, so that a wrong label of a loader is seen.
"""

_WORDS = {
    "angry": "anger",
    "anger": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "happiness": "happiness",
    "neutral": "neutral",
    "sad": "sadness",
    "sadness": "sadness",
    "surprise": "surprise",
    "surprised": "surprise",
    "contempt": "contempt",
    "appalled": "appalled",
    "hate": "hatred",
    "awe": "awed",
    "happily surprised": "happily_surprised",
    "happy disgusted": "happily_disgusted",
    "sadly angry": "sadly_angry",
}


def means(word: str) -> str:
    """The expression that a folder or a table calls by a word."""
    return _WORDS[word.lower()]


# The others by their numbers and codes.

FER2013 = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
"""The numbers 0 to 6 of FER2013 and ExpW."""

FERPLUS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
"""The first columns of votes; those for `unknown` and `NF` follow."""

AFFECTNET = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
"""The numbers 0 to 7; 8 to 10 are no expression."""

CK_PLUS = ("neutral", "anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")
"""The numbers 0 to 7."""

RAF_BASIC = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
"""The numbers 1 to 7 of RAF-DB basic; the first six are the columns of RAF-ML."""

RAF_COMPOUND = (
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
"""The numbers 1 to 11 of RAF-DB compound."""

RAF_CE = (
    "happily_surprised",
    "happily_disgusted",
    "sadly_fearful",
    "sadly_angry",
    "sadly_surprised",
    "sadly_disgusted",
    "fearfully_angry",
    "fearfully_surprised",
    "fearfully_disgusted",
    "angrily_surprised",
    "angrily_disgusted",
    "disgustedly_surprised",
    "happily_fearful",
    "happily_sad",
)
"""The numbers 0 to 13 of RAF-CE."""

KDEF = {
    "AF": "fear",
    "AN": "anger",
    "DI": "disgust",
    "HA": "happiness",
    "NE": "neutral",
    "SA": "sadness",
    "SU": "surprise",
}
JAFFE = {
    "FE": "fear",
    "AN": "anger",
    "DI": "disgust",
    "HA": "happiness",
    "NE": "neutral",
    "SA": "sadness",
    "SU": "surprise",
}

DFEW = ("happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear")
"""The numbers 1 to 7."""

MAFW = (
    "anger",
    "disgust",
    "fear",
    "happiness",
    "neutral",
    "sadness",
    "surprise",
    "contempt",
    "anxiety",
    "helplessness",
    "disappointment",
)
"""The words of its lists."""
