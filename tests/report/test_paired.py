"""`fer-meta compare`: two results, or two methods of one, in the episodes that both answered."""

import pandas as pd
import pytest
from click.testing import CliRunner
from helpers.tiny_bench import SUITE, numbers

from fer_meta.cli.main import main
from fer_meta.report.paired import compare
from fer_meta.report.sections.paired import _difference

METHODS = ("--methods", "protonet,supervised", "--seeds", "2")


@pytest.fixture
def one(bench, tmp_path, without_plots):
    """The results of a bench."""
    assert bench(*METHODS, out="one").exit_code == 0
    return tmp_path / "one"


@pytest.fixture
def two(one, bench, suite, tmp_path):
    """Results of two benches that train in another number of steps."""
    suite.write_text(SUITE.replace("supervised: {steps: 4", "supervised: {steps: 8"))
    assert bench(*METHODS, out="other").exit_code == 0
    return one, tmp_path / "other"


def run(*words, status=0):
    result = CliRunner().invoke(main, ["compare", *map(str, words)])
    assert result.exit_code == status, result.output
    return result.output


def test_the_difference_of_two_benches_is_that_of_their_answers(two, tmp_path):
    one, other = two
    found = compare(one / "tiny", other / "tiny")
    means = []
    for out in two:
        answers = numbers(out)
        answers = answers[(answers["selection"] == "source-val") & (answers["shots"] == 1)]
        answers = answers[answers["readout"] == "supervised-ncm"]
        means.append(
            answers.groupby(answers["run"].str.extract(r"supervised-(\w+-to-\w+)-")[0])["accuracy"].mean()
        )
    table = found.table[(found.table["first"] == "supervised-ncm") & (found.table["shots"] == 1)]
    table = table.set_index(table["source"] + "-to-" + table["target"])
    pd.testing.assert_series_equal(
        table["difference"].sort_index(), (means[0] - means[1]).sort_index(), check_names=False
    )
    protonet = found.table[found.table["first"].str.startswith("protonet")]
    assert len(protonet) and (protonet["difference"] == 0).all(), "it was trained alike"
    mean = found.means.set_index(["first", "shots", "place"])["difference"]
    across = table[table["source"] != table["target"]]["difference"].mean()
    assert mean["supervised-ncm", 1, "across"] == pytest.approx(across)
    assert any("supervised-ncm: images seen (" in line for line in found.differs)
    out = tmp_path / "all.csv"
    said = run(one / "tiny", other / "tiny", "--out", out)
    assert "Mean over pairs of source and target" in said and "Not equal" in said
    assert len(pd.read_csv(out)) == len(found.table)
    assert "No accuracy differs." in run(one / "tiny", one / "tiny")


def test_two_methods_of_a_bench_differ_as_its_report_says(one):
    folder = one / "tiny"
    found = compare(folder, folder, ("supervised-ncm", "protonet")).table
    reported = pd.read_csv(folder / "comparisons.csv")
    both = {"supervised-ncm", "protonet"}
    reported = reported[reported["first"].isin(both) & reported["second"].isin(both)]
    assert len(found) == len(reported) == 8
    key = ["source", "target", "shots"]
    merged = found.merge(reported, on=key, suffixes=("", "_reported"))
    sign = 1 - 2 * (merged["first"] != merged["first_reported"])
    pd.testing.assert_series_equal(
        merged["difference"], sign * merged["difference_reported"], check_names=False, atol=1e-6
    )
    claimed = merged[merged["failed_seeds"].eq("") & merged["p_reported"].notna()]
    pd.testing.assert_series_equal(claimed["p"], claimed["p_reported"], check_names=False, atol=1e-4)


def test_other_episodes_and_other_readouts_are_not_compared(one, bench, suite, tmp_path):
    suite.write_text(SUITE.replace("episodes: 12", "episodes: 13"))
    assert bench(*METHODS, out="longer", domains=("day",)).exit_code == 0
    found = compare(one / "tiny", tmp_path / "longer" / "tiny")
    assert set(found.table["shots"]) == {0}, "a head of its own names each test image, whatever the episodes"
    assert any("was tested in other episodes; take the same suite" in line for line in found.left_out)
    said = run(one / "tiny", tmp_path / "longer" / "tiny")
    assert "No accuracy differs." in said and "was tested in other episodes" in said
    said = run(one / "tiny", "--methods", "protonet,x", status=2)
    assert "have no readout 'x' (there are protonet" in said
    said = run(one / "tiny", "--methods", "protonet,supervised", status=2)
    assert "have no readout 'supervised'; did you mean supervised-" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a"], "give a second folder, or --methods"),
        (["a", "--methods", "x"], "give two, such as"),
        (["a", "b", "--out", "x.txt"], "ends in .csv"),
        (["a", "b"], "fer-meta: a: "),
    ],
)
def test_what_cannot_be_compared_is_one_line(words, said):
    output = run(*words, status=2)
    assert said in output.splitlines()[-1] and "Traceback" not in output


@pytest.mark.parametrize(
    ("difference", "shown"), [(-1e-17, "+0.0"), (0.00125, "+0.1"), (0.5325, "+53.3"), (-0.0205, "-2.1")]
)
def test_differences_are_rounded_as_in_the_report(difference, shown):
    """The last bits of a mean differ between processors: they are not printed, and decide no digit."""
    row = pd.Series({"difference": difference, "low": difference, "high": difference})
    assert _difference(row, 0.04) == [shown, f"{shown} to {shown}", "0.040"]
