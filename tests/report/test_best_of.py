"""What the best of N scores adds, in the report of a suite that asks for it."""

import numpy as np
import pandas as pd
import pytest
from helpers import stored_results

from fer_meta.report import write_report
from fer_meta.report.aggregate.best_of import EPISODES, NUMBERS, best_of_table
from fer_meta.report.cells import Names, read_cells
from fer_meta.report.load import read_results
from fer_meta.report.plots.best_of import figure

pytestmark = pytest.mark.numeric


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    home = stored_results.write_leakage(tmp_path_factory.mktemp("noise") / "leakage-smoke", episodes=40)
    plan = (home / "plan.json").read_text()
    assert '"readings": []' in plan
    (home / "plan.json").write_text(plan.replace('"readings": []', '"readings": ["best-of"]'))
    return home


@pytest.fixture(scope="module")
def gains(folder):
    results = read_results(folder)
    return best_of_table(results, read_cells(results, Names()))


def test_the_gain_is_that_of_scores_made_of_the_stored_episodes(folder, gains):
    """Scores are simulated from the files, without the package's arithmetic."""
    rng = np.random.default_rng(0)
    found = []
    for home in sorted((folder / "runs").glob("nothing-protonet-*")):
        answers = pd.read_parquet(home / "predictions.parquet")
        own = answers[(answers["shots"] == 5) & (answers["selection"] == "source-val")]
        right = (own["label"].astype(str) == own["predicted"].astype(str)).groupby(own["episode"]).mean()
        best = [rng.choice(right, (100, 25)).mean(axis=1).max() for _ in range(2000)]
        found.append(np.mean(best) - right.mean())
    rows = gains[
        (gains["experiment"] == "nothing") & (gains["readout"] == "protonet") & (gains["shots"] == 5)
    ]
    [row] = rows[(rows["episodes"] == 25) & (rows["number"] == 100)].to_dict("records")
    assert len(found) == 2 and row["measured"] == 40 and row["queries"] == 25
    assert row["gain"] == pytest.approx(np.mean(found), abs=0.001)
    assert row["gain_normal"] == pytest.approx(row["gain"], abs=0.003)


def test_more_scores_gain_more_and_more_episodes_less(gains):
    for _, rows in gains.groupby(["experiment", "readout", "shots"]):
        table = rows.pivot(index="episodes", columns="number", values="gain")
        assert list(table.index) == list(EPISODES) and list(table) == list(NUMBERS)
        assert (table[1] == 0).all() and (np.diff(table, axis=1) > 0).all()
        assert (np.diff(table[10_000]) < 0).all()
    assert not (gains["readout"] == "supervised-head").any() or (gains["shots"] > 0).all()


def test_the_page_shows_it_where_the_suite_asks_for_it(folder, gains, tmp_path, without_plots):
    text = write_report(folder)
    assert "The best of N scores" in text and "best of 10,000" in text
    page = (folder / "table.md").read_text()
    assert "plots/best-of" in page and "A normal distribution" in page
    assert len(pd.read_csv(folder / "best-of.csv")) == len(gains)

    other = stored_results.write_leakage(tmp_path / "leakage", seeds=1, episodes=10)
    assert "best of N" not in write_report(other) and not (other / "best-of.csv").exists()


def test_the_plot_has_one_panel_per_method_and_one_line_per_number_of_episodes(folder, gains):
    one = gains[(gains["experiment"] == "nothing") & (gains["shots"] == 5)]
    drawn = figure(read_results(folder), one)
    assert len(drawn.axes) == one["readout"].nunique()
    marks = [line for line in drawn.axes[0].lines if line.get_linestyle() == "None"]
    assert len(marks) == len(EPISODES)
    assert marks[0].get_ydata() == pytest.approx(
        100 * one[(one["readout"] == one["readout"].iloc[0]) & (one["episodes"] == EPISODES[0])]["gain"]
    )
