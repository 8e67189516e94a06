"""The scores are those of scikit-learn and torchmetrics, and a clip is what most of its frames are."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score, recall_score
from torchmetrics.classification import MulticlassAccuracy, MulticlassCalibrationError, MulticlassF1Score

from fer_meta.statistics import metrics

pytestmark = pytest.mark.numeric

NAMES = np.array(["anger", "fear", "happiness", "sadness"])
pairs = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60).map(np.array)


def counts(true, predicted) -> pd.DataFrame:
    return pd.DataFrame(confusion_matrix(true, predicted, labels=NAMES), NAMES, NAMES)


@given(pairs)
@settings(max_examples=60, deadline=None)
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.filterwarnings("ignore:A single label was found")
def test_scores_are_those_of_scikit_learn(pairs):
    true, predicted = NAMES[pairs].T
    found = metrics.scores(counts(true, predicted))
    occurring = np.unique(true)
    assert found.accuracy == pytest.approx(accuracy_score(true, predicted))
    assert found.uar == pytest.approx(balanced_accuracy_score(true, predicted))
    assert found.macro_f1 == pytest.approx(f1_score(true, predicted, average="macro"))
    assert found.recall == pytest.approx(
        dict(zip(occurring, recall_score(true, predicted, labels=occurring, average=None)))
    )


@given(pairs)
@settings(max_examples=30, deadline=None)
def test_scores_are_those_of_torchmetrics(pairs):
    # each class occurs: what an absent one means differs
    pairs = np.concatenate([pairs, np.arange(4)[:, None].repeat(2, 1)])
    found = metrics.scores(counts(*NAMES[pairs].T))
    true, predicted = torch.from_numpy(pairs.T)
    for value, metric in [
        (found.accuracy, MulticlassAccuracy(4, average="micro")),
        (found.uar, MulticlassAccuracy(4, average="macro")),
        (found.macro_f1, MulticlassF1Score(4, average="macro")),
    ]:
        assert value == pytest.approx(metric(predicted, true).item(), abs=1e-6)


def test_scores_of_a_table_with_a_class_that_is_never_asked_for():
    table = pd.DataFrame([[3, 1, 0], [0, 2, 2], [0, 0, 0]], index=list("abc"), columns=list("abc"))
    found = metrics.scores(table)
    assert found.recall == {"a": 0.75, "b": 0.5}
    assert found.uar == 0.625 and found.accuracy == 0.625
    assert found.macro_f1 == pytest.approx((6 / 7 + 4 / 7 + 0) / 3)


def test_an_empty_table_has_no_score():
    with pytest.raises(ValueError, match="no predictions"):
        metrics.scores(pd.DataFrame(np.zeros((2, 2), int), index=list("ab"), columns=list("ab")))


@given(st.integers(0, 2**32 - 1), st.integers(1, 300), st.floats(0.1, 8))
@settings(max_examples=40, deadline=None)
def test_calibration_error_is_that_of_torchmetrics(seed, queries, sharpness):
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(sharpness * rng.standard_normal((queries, 5)))
    probabilities = logits.softmax(1).float()
    labels = torch.from_numpy(rng.integers(0, 5, queries))
    confidence, predicted = probabilities.max(1)
    expected = MulticlassCalibrationError(5, n_bins=15, norm="l1")(probabilities, labels).item()
    assert metrics.calibration_error(confidence.numpy(), (predicted == labels).numpy()) == pytest.approx(
        expected, abs=1e-5
    )


def test_calibration_error_of_certainty_is_the_error_rate():
    assert metrics.calibration_error([1.0, 1.0, 1.0, 1.0], [True, True, True, False]) == pytest.approx(0.25)


def test_without_probabilities_there_is_no_calibration_error():
    assert np.isnan(metrics.calibration_error([0.5, np.nan], [True, False]))
    assert np.isnan(metrics.calibration_error([], []))


def frames(*rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["clip", "label", "predicted", "p_anger", "p_fear", "p_happiness"])


def test_a_clip_is_what_most_of_its_frames_are():
    table = metrics.decide_clips(
        frames(
            ("one", "fear", "anger", 0.5, 0.4, 0.1),
            ("one", "fear", "anger", 0.5, 0.4, 0.1),
            ("one", "fear", "fear", 0.0, 1.0, 0.0),
        )
    )
    assert table.to_dict("records") == [
        {"clip": "one", "label": "fear", "frames": 3, "vote": "anger", "mean": "fear"}
    ]


def test_a_tied_vote_goes_to_the_tied_class_with_the_larger_mean_probability():
    rows = frames(
        ("tied", "fear", "anger", 0.40, 0.25, 0.35),
        ("tied", "fear", "anger", 0.40, 0.25, 0.35),
        ("tied", "fear", "fear", 0.05, 0.50, 0.45),
        ("tied", "fear", "fear", 0.05, 0.50, 0.45),
        ("tied", "fear", "happiness", 0.0, 0.2, 0.8),
    )
    table = metrics.decide_clips(rows)
    # happiness has the largest mean (0.48) but one vote; of the tied, fear (0.34) is ahead of anger (0.18)
    assert table[["vote", "mean"]].values.tolist() == [["fear", "happiness"]]


@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
@settings(max_examples=30, deadline=None)
def test_no_order_of_the_frames_changes_a_clip(seed, size):
    rng = np.random.default_rng(seed)
    clip, p = rng.integers(0, 6, size), rng.dirichlet(np.ones(3), size)
    labels = np.array(["anger", "fear", "happiness"])
    table = pd.DataFrame(
        {
            "clip": clip,
            "label": labels[clip % 3],
            "predicted": labels[rng.integers(0, 3, size)],
            **{f"p_{name}": p[:, i] for i, name in enumerate(labels)},
        }
    )
    for column in ("label", "predicted"):
        table[column] = table[column].astype("category")
    found = metrics.decide_clips(table)
    pd.testing.assert_frame_equal(found, metrics.decide_clips(table.sample(frac=1, random_state=0)))
    assert found["frames"].sum() == size and set(found["clip"]) == set(clip.tolist())
    for row in found.itertuples():
        own = table[table["clip"] == row.clip]
        votes = own["predicted"].value_counts()
        assert votes[row.vote] == votes.max()
        assert row.mean == own.filter(like="p_").mean().idxmax().removeprefix("p_")


def test_images_of_no_clip_are_left_out():
    table = metrics.decide_clips(
        frames((None, "fear", "anger", 0.5, 0.4, 0.1), ("one", "fear", "fear", 0.1, 0.9, 0.0))
    )
    assert table["clip"].tolist() == ["one"]
    assert metrics.decide_clips(frames((None, "fear", "anger", 0.5, 0.4, 0.1))).empty


def test_a_clip_of_two_labels_is_refused():
    with pytest.raises(ValueError, match="clip 'one' has the labels anger, fear"):
        metrics.decide_clips(
            frames(("one", "fear", "fear", 0.1, 0.9, 0.0), ("one", "anger", "fear", 0.1, 0.9, 0.0))
        )


def test_a_predicted_class_without_probability_is_refused():
    with pytest.raises(ValueError, match="no column p_sadness"):
        metrics.decide_clips(frames(("one", "fear", "sadness", 0.1, 0.9, 0.0)))
