"""seeds.csv and confusion.csv: what each training scored, in agreement with the tables of means
over seeds.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import stored_results
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fer_meta.expressions import EXPRESSIONS
from fer_meta.report import write_report
from fer_meta.report.aggregate import accuracy as numbers
from fer_meta.report.aggregate import per_seed
from fer_meta.report.cells import Names, read_cells
from fer_meta.report.load import read_results
from fer_meta.statistics import metrics
from fer_meta.statistics.intervals import hierarchical_interval
from fer_meta.statistics.rounding import percent

pytestmark = pytest.mark.numeric

CELL = ["experiment", "source", "target", "readout", "shots", "selection"]
ROUNDED = dict(abs=2e-6, nan_ok=True)  # files have six decimals
WRITERS = {"cross-domain": stored_results.write, "reproduction": stored_results.write_experiments}


@pytest.fixture(scope="module", params=WRITERS)
def written(request, tmp_path_factory) -> Path:
    """A stored results folder of two seeds with its report, but no plots."""
    folder = WRITERS[request.param](tmp_path_factory.mktemp("seeds") / request.param, episodes=8)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("fer_meta.report.plots.writing.write_figures", lambda *_: [])
        write_report(folder)
    return folder


def read(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(
        folder / name, keep_default_na=False, na_values={"ece": [""], "train_accuracy": [""], "step": [""]}
    ).set_index(CELL)


def test_the_means_of_the_seeds_are_the_tables(written):
    seeds = read(written, "seeds.csv")
    assert not seeds.reset_index().duplicated([*CELL, "seed"]).any()
    means = seeds.groupby(level=CELL).mean(numeric_only=True)
    for name in ("table.csv", "heads.csv"):
        table = pd.read_csv(written / name, keep_default_na=False, na_values={"ece": [""]}).set_index(CELL)
        for score in ("accuracy", "uar", "macro_f1", "ece"):
            assert means.loc[table.index, score].to_list() == pytest.approx(
                table[score].to_list(), **ROUNDED
            ), (name, score)
        assert (seeds.groupby(level=CELL)["seed"].nunique().loc[table.index] == table["seeds"]).all()


def test_uar_has_an_interval_of_its_own(written):
    cells = {
        tuple(getattr(cell, name) for name in CELL): cell
        for cell in read_cells(read_results(written), Names())
    }
    for name in ("table.csv", "heads.csv"):
        table = read(written, name)
        for key, row in table.sample(6, random_state=0).iterrows():
            found = hierarchical_interval(cells[key].outcomes(), "uar")
            # of episodes: that of accuracy, for their classes are of equal size
            half = (found.high - found.low) / 2 if cells[key].once else np.nan
            assert [row["uar"], float(row["uar_ci95"] if row["uar_ci95"] != "" else "nan")] == pytest.approx(
                [found.value, half], **ROUNDED
            )
    assert (table["uar_ci95"] - table["ci95"]).abs().max() > 1e-4  # classes of all images are unequal


def test_the_page_shows_the_interval_of_uar_on_all_images(written):
    page = (written / "table.md").read_text().split("## Each test image scored once")[1]
    head, _, first, *_ = [
        [cell.strip() for cell in line.split("|")] for line in page.splitlines() if line.startswith("|")
    ]
    row = read(written, "heads.csv").iloc[0]
    assert first[head.index("UAR")] == f"{percent(row['uar'])} ± {percent(row['uar_ci95'])}"


def test_recall_and_the_number_of_queries_are_those_of_the_confusion(written):
    confusion, seeds = read(written, "confusion.csv"), read(written, "seeds.csv")
    by_class = confusion.set_index(["seed", "class"], append=True)
    totals = by_class.groupby(level=by_class.index.names)["count"]
    assert (by_class["count"] / totals.transform("sum")).to_list() == pytest.approx(
        by_class["share"].to_list(), **ROUNDED
    )
    right = by_class[by_class.index.get_level_values("class") == by_class["predicted"]]
    recall = pd.read_csv(written / "recall.csv", keep_default_na=False).set_index([*CELL, "class"])["recall"]
    mean = right.groupby(level=[*CELL, "class"])["share"].mean()
    assert len(mean) == len(recall) and mean.loc[recall.index].to_list() == pytest.approx(
        recall.to_list(), **ROUNDED
    )
    per_seed = [*CELL, "seed"]
    accuracy = right.groupby(level=per_seed)["count"].sum() / by_class.groupby(level=per_seed)["count"].sum()
    uar, own = right.groupby(level=per_seed)["share"].mean(), seeds.set_index("seed", append=True)
    assert len(accuracy) == len(own) and accuracy.loc[own.index].to_list() == pytest.approx(
        own["accuracy"].to_list(), **ROUNDED
    )
    assert uar.loc[own.index].to_list() == pytest.approx(own["uar"].to_list(), **ROUNDED)


def test_all_queries_of_every_run_are_counted(written):
    counted = read(written, "confusion.csv").groupby([*CELL, "seed"])["count"].sum()
    for run in read_results(written).runs:
        answers = pd.read_parquet(run.predictions).astype({"readout": str, "selection": str})
        for (readout, shots, selection), rows in answers.groupby(["readout", "shots", "selection"]):
            assert counted[
                run.experiment, run.source, run.target, readout, shots, selection, run.seed
            ] == len(rows)


def test_a_seed_has_its_checkpoints_step_and_the_end_of_its_training(written):
    seeds = read(written, "seeds.csv").reset_index()
    assert (
        seeds["step"].to_list()
        == seeds["selection"].map({"source-val": 800, "last": 1000, "oracle": 600}).to_list()
    )
    results = read_results(written)
    for run in results.runs:
        log = pd.read_json(written / "models" / run.model / "history.jsonl", lines=True)[
            "train_accuracy"
        ].dropna()
        same = seeds[
            (seeds["source"] == run.source) & (seeds["method"] == run.method) & (seeds["seed"] == run.seed)
        ]
        # of 20 log points
        assert same["train_accuracy"].to_list() == pytest.approx([log[-2:].mean()] * len(same), **ROUNDED)


@pytest.fixture(scope="module")
def cell(tmp_path_factory):
    results = read_results(stored_results.write(tmp_path_factory.mktemp("cell") / "cross-domain", episodes=4))
    return results, read_cells(results, Names())[0]


@settings(deadline=None)
@given(
    counts=arrays.arrays(
        np.int64, st.tuples(st.integers(1, 3), st.just(4), st.just(5)), elements=st.integers(0, 3)
    ),
    first=st.integers(0, 9),
)
def test_any_confusion_gives_the_recalls_of_the_table(cell, counts, first):
    """Rare classes, seeds that never answer a class, answers that no query had: [seed, true, predicted]
    anywhere among the expressions.
    """
    counts[:, 0, 0] += 1  # an empty cell is none
    counts[:, :, 4] += counts.sum(axis=2).max(axis=0) - counts.sum(axis=2)  # the same queries for every seed
    confusion = np.zeros((len(counts), len(EXPRESSIONS), len(EXPRESSIONS)), int)
    confusion[:, first : first + 4, first : first + 5] = counts
    scores = tuple(metrics.scores(pd.DataFrame(one, EXPRESSIONS, EXPRESSIONS)) for one in confusion)
    results, like = cell
    drawn = replace(like, seeds=tuple(range(len(counts))), confusion=confusion, scores=scores)
    found = per_seed.confusion_table(results, [drawn])
    assert found["count"].sum() == confusion.sum() and found["share"].between(0, 1).all()
    right = found[found["class"] == found["predicted"]]
    recall = numbers.recall_table(results, [drawn]).set_index("class")["recall"]
    assert right.groupby("class")["share"].mean().to_dict() == pytest.approx(recall.to_dict())
