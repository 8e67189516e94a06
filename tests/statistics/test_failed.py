"""Which trainings did not learn, and the words for them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_meta.statistics.failed import FEWEST, MARGIN, Failed, failure, footnote, is_short

pytestmark = pytest.mark.numeric


def a_log(accuracies) -> pd.DataFrame:
    return pd.DataFrame({"train_accuracy": accuracies})


@settings(deadline=None, max_examples=50)
@given(way=st.integers(2, 8), queries=st.integers(20, 400), seed=st.integers(0, 2**16))
def test_trainings_of_guesses_fail_nearly_always_and_good_ones_never(way, queries, seed):
    rng = np.random.default_rng(seed)
    guesses = [failure(a_log(rng.binomial(queries, 1 / way, 100) / queries), 1 / way) for _ in range(60)]
    # One in 40 passes, so that more than 12 do once in 200 million examples.
    assert sum(one is None for one in guesses) <= 12
    assert (
        failure(a_log(np.full(100, 1 / way + 2 * MARGIN) + rng.normal(0, MARGIN / 10, 100)), 1 / way) is None
    )


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.floats(0.1, 0.5), st.floats(0, 0.4))
def test_only_the_last_tenth_counts_and_a_higher_chance_never_saves_a_training(accuracies, chance, more):
    before = failure(a_log(accuracies), chance)
    assert failure(a_log([0.9] * 9 * len(accuracies) + accuracies), chance) == failure(
        a_log([0.1] * 9 * len(accuracies) + accuracies), chance
    )
    if before:
        assert failure(a_log(accuracies), chance + more)


def test_a_training_of_too_few_log_points_is_not_judged():
    for accuracies in ([0.2], [0.3, 0.563], [0.2] * (FEWEST - 1), [0.3] * 18 + [0.62, 0.5]):
        assert failure(a_log(accuracies), 0.143) is None and is_short(a_log(accuracies))
    assert failure(a_log([0.2] * FEWEST), 0.2) == Failed(pytest.approx(0.2), 0.2)
    assert not is_short(a_log([0.2] * FEWEST)) and not is_short(a_log([]))


def test_without_a_log_or_a_chance_nothing_is_flagged():
    assert failure(a_log([]), 0.2) is None and failure(a_log([0.2] * 50), None) is None


def test_a_footnote_names_method_source_and_seeds():
    one = Failed(0.203, 0.2)
    assert (
        footnote([("Relation Net", "wild", None, 2, one)], 9)
        == "† Relation Net, trained on wild, seed 2: training accuracy 20.3 %, chance 20.0: it did not learn."
    )
    assert "seeds 0 and 2: training accuracy 19.8 to 20.3 %" in footnote(
        [("Relation Net", "wild", None, 2, one), ("Relation Net", "wild", None, 0, Failed(0.198, 0.2))], 9
    )
    assert footnote([], 9) == ""


def test_each_fold_is_a_training_and_is_named_and_counted():
    def failed(*places):
        return [("ProtoNet", "big", fold, seed, Failed(0.48 + fold / 100, 0.5)) for fold, seed in places]

    assert (
        footnote(failed((1, 0), (2, 0), (3, 0)), 6)
        == "† ProtoNet, trained on big, folds 1 to 3 of seed 0: training accuracy 49.0 to 51.0 %, chance"
        " 50.0: they did not learn."
    )
    assert "fold 2 of seed 0, folds 1 and 3 of seed 1:" in footnote(failed((3, 1), (2, 0), (1, 1)), 6)
    assert footnote(failed((1, 0), (2, 0), (3, 0)), 3).startswith(
        "† none of the 3 trainings learned: training accuracy 49.0 to 51.0 %"
    )


def test_one_line_will_do_where_no_training_learned():
    many = [("MAML", f"source{number % 7}", None, number, Failed(0.2, 0.2)) for number in range(40)]
    assert footnote(many, 40) == "† none of the 40 trainings learned: training accuracy 20.0 %, chance 20.0."
