import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_meta.expressions import BASIC, COMPOUND, EXPRESSIONS, canonical


@pytest.mark.parametrize(
    "name, expected",
    [
        ("Angry", "anger"),
        ("anger", "anger"),
        ("Sad", "sadness"),
        ("HAPPY", "happiness"),
        ("afraid", "fear"),
        ("Fearful", "fear"),
        ("surprised", "surprise"),
        ("Disgusted", "disgust"),
        ("Neutral", "neutral"),
        ("contempt", "contempt"),
        ("Happily Surprised", "happily_surprised"),
        ("sadly-angry", "sadly_angry"),
        ("  Angrily__Disgusted ", "angrily_disgusted"),
    ],
)
def test_the_names_that_data_sets_use_become_one(name, expected):
    assert canonical(name) == expected


def test_an_unknown_name_is_an_error_that_lists_the_known_ones():
    with pytest.raises(ValueError, match="unknown expression 'bored'.*surprise.*disgustedly_surprised"):
        canonical("bored")


@given(st.sampled_from(EXPRESSIONS), st.sampled_from(" -_"), st.sampled_from([str.upper, str.title]))
def test_spelling_does_not_matter(name, joint, case):
    assert canonical(case(name.replace("_", joint))) == name


def test_the_vocabulary_has_the_published_sizes():
    assert (len(BASIC), len(COMPOUND), len(EXPRESSIONS), len(set(EXPRESSIONS))) == (7, 11, 28, 28)
