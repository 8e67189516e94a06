"""The names of sources: a+b is one training over a and b."""

import pytest

from fer_meta.sources import called, is_rendered, parts_of, source_name


def test_the_order_of_the_data_sets_of_a_source_does_not_make_another_training():
    assert source_name("b+a") == source_name("a+b") == "a+b"
    assert source_name("a") == "a" and parts_of("a+b") == ("a", "b")


@pytest.mark.parametrize("name", ["a+", "+a", "a++b", "+"])
def test_a_source_without_a_name_beside_its_plus_is_refused(name):
    with pytest.raises(ValueError, match=r"lacks a data set beside a \+"):
        source_name(name)


def test_a_source_has_each_data_set_once():
    with pytest.raises(ValueError, match=r"'a\+b\+a' has a data set twice"):
        source_name("a+b+a")


def test_people_read_which_part_of_a_source_is_rendered():
    assert called("a", ["a"]) == "a (rendered)" and called("a", ["b"]) == "a"
    assert called("a+b", ["a", "b"]) == "a+b (rendered)"
    assert called("a+b", ["b"]) == "a+b (b rendered)" and called("a+b", []) == "a+b"
    assert called("basic+film", ["basic+film"]) == "basic+film (rendered)"  # the mixture of an experiment
    assert is_rendered("a+b", ["b"]) and not is_rendered("a+b", ["c"])
