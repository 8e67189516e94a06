"""A search for hyper-parameters: several settings are trained, one is picked on the source's validation."""

import json
import shutil

import pandas as pd
import pytest
from helpers.tiny_bench import SUITE, folders

from fer_meta.errors import DivergedError
from fer_meta.records.history import read_history, validation_of
from fer_meta.report.aggregate.found import find
from fer_meta.report.cells import Names, read_cells
from fer_meta.report.load import read_results
from fer_meta.report.plots.all import figures
from fer_meta.runner import search
from fer_meta.runner.main import decided, finish, plan, work
from fer_meta.runner.options import BenchOptions
from fer_meta.runner.plan import make_plan
from fer_meta.training import loop

GRID = "search: {values: {lr: [1.0e-5, 3.0e-2], inner_lr: [0.1]}, budget: 1/2}\n"


@pytest.fixture
def searching(suite):
    """The tiny suite, whose search tries two learning rates beside its own at half the steps."""
    suite.write_text(SUITE + GRID)


def trainings(out):
    """The settings and seeds of the trained models, by name."""
    models = folders(out / "tiny" / "models")
    return {name: json.loads((path / "model.json").read_text()) for name, path in models.items()}


def picked(out):
    """The learning rate of each run, by its method and source."""
    runs = folders(out / "tiny" / "runs").values()
    records = [json.loads((path / "run.json").read_text()) for path in runs]
    return {(one["method"], one["source"]): one["config"]["lr"] for one in records}


def best(out, method, source, readout):
    """The learning rate whose trial has the best validation, read from the logs by hand."""
    values = {}
    for name, record in trainings(out).items():
        if record["seed"] == 1000 and name.startswith(f"{method}-{source}-"):
            rows = read_history(out / "tiny" / "models" / name)
            found = [validation_of(row)[readout] for row in rows if validation_of(row)]
            values[record["config"]["lr"]] = max(found)
    assert len(values) == 3
    return max(values.values()), {lr for lr, value in values.items() if value == max(values.values())}


def test_the_setting_that_is_best_on_the_sources_validation_is_trained_and_tested_with_the_benchs_seeds(
    bench, searching, tmp_path
):
    result = bench("--methods", "protonet,supervised", "--seeds", "2")
    assert result.exit_code == 0, result.output
    out = tmp_path / "results"
    for source in ("day", "night"):
        for method, readout in (("protonet", "protonet"), ("supervised", "supervised-head")):
            assert picked(out)[method, source] in best(out, method, source, readout)[1]
    models = trainings(out)
    assert sorted(one["seed"] for one in models.values()) == [0] * 4 + [1] * 4 + [1000] * 12
    steps = {(one["method"], one["seed"]): one["steps"] for one in models.values()}
    assert steps["protonet", 1000] == 3 and steps["protonet", 0] == 6
    assert "search  protonet  day  draw 1: lr 1e-05" in result.output and "validation" in result.output
    runs = folders(out / "tiny" / "runs").values()
    tested = {json.loads((path / "run.json").read_text())["model"] for path in runs}
    assert tested == {name for name, one in models.items() if one["seed"] != 1000}
    for name in models:
        folder = out / "tiny" / "models" / name
        kept = list(folder.glob("checkpoints/*"))
        assert (folder / "DONE").exists() and bool(kept) == ("seed1000" not in name), "its log is kept"


def test_a_target_takes_no_part_in_the_search(bench, searching, trees, tmp_path):
    """Another target, and no target but the source: the same trials and the same picks."""
    assert bench("--methods", "protonet", "--sources", "day", out="two").exit_code == 0
    assert bench("--methods", "protonet", domains=("day",), out="one").exit_code == 0
    first, second = trainings(tmp_path / "two"), trainings(tmp_path / "one")
    assert set(first) == set(second) and picked(tmp_path / "two") == picked(tmp_path / "one")


def test_a_killed_search_goes_on_and_a_finished_one_is_not_redone(bench, searching, tmp_path, monkeypatch):
    words = ("--methods", "protonet")
    fit, fitted = loop.fit, []

    def killed_in_the_second(*arguments):
        fitted.append(arguments[5].name)
        if len(fitted) == 2:
            raise KeyboardInterrupt
        return fit(*arguments)

    monkeypatch.setattr(loop, "fit", killed_in_the_second)
    assert bench(*words, domains=("day",)).exit_code == 130 and len(fitted) == 2
    result = bench(*words, domains=("day",))
    assert result.exit_code == 0 and "1 of 3 search trainings are done already" in result.output
    assert len(fitted) == 2 + 2 + 1 and len(set(fitted)) == 4, "two trials more, and the run's training"
    result = bench(*words, domains=("day",))
    assert result.exit_code == 0 and len(fitted) == 5
    again = bench(*words, "--seeds", "2", domains=("day",))
    assert again.exit_code == 0 and len(fitted) == 6, "a seed more: the search stays"


def test_a_setting_whose_loss_is_not_finite_has_lost_and_is_not_tried_again(
    bench, searching, tmp_path, monkeypatch
):
    fit, tried = loop.fit, []

    def diverging(method, config, *rest):
        tried.append(config.lr)
        if config.lr != 1e-5:
            raise DivergedError("the loss became nan at step 1; lower `lr` in the suite file")
        return fit(method, config, *rest)

    monkeypatch.setattr(loop, "fit", diverging)
    result = bench("--methods", "protonet", domains=("day",))
    assert result.exit_code == 0, result.output
    assert picked(tmp_path / "results") == {("protonet", "day"): 1e-5}
    assert result.output.count("lost: the loss became nan at step 1") == 2 and "FAILED" not in result.output
    assert tried == [1e-3, 1e-5, 3e-2, 1e-5]
    shutil.rmtree(tmp_path / "results" / "tiny" / "runs")
    assert bench("--methods", "protonet", domains=("day",)).exit_code == 0
    assert len(tried) == 4


def test_a_trial_that_fails_otherwise_is_an_error_and_decides_nothing(
    bench, searching, tmp_path, monkeypatch
):
    fit = loop.fit

    def broken(method, config, *rest):
        if config.lr == 1e-5:
            raise RuntimeError("no memory")
        return fit(method, config, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "fit", broken)
        result = bench("--methods", "protonet", domains=("day",))
    assert result.exit_code == 1 and "FAILED: RuntimeError: no memory" in result.output
    assert not (tmp_path / "results" / "tiny" / "runs").exists()
    assert bench("--methods", "protonet", domains=("day",)).exit_code == 0
    assert len(trainings(tmp_path / "results")) == 4


def test_the_first_draw_is_the_suites_own_setting_and_each_value_has_a_generator_of_its_own(
    suite, trees, tmp_path, monkeypatch
):
    def draws(number):
        options = BenchOptions(
            str(suite), data={"day": trees / "day"}, search=number, device="cpu", out=tmp_path / "results"
        )
        found = {}
        for run in plan(options).trials:
            found.setdefault(run.model.method, []).append(run.trial.values)
        return found

    six = draws(6)
    assert six["protonet"][0] == {"lr": 1e-3, "weight_decay": 0.0} and len(six["protonet"]) == 6
    assert six["maml"][0] == {"lr": 1e-3, "weight_decay": 0.0, "inner_steps": 1, "inner_lr": 0.01}
    assert len({one["lr"] for one in six["protonet"] + six["maml"]}) == 11, "of other methods others"
    assert all(1e-4 <= one["lr"] <= 1e-2 and one["inner_steps"] in (1, 3, 5) for one in six["maml"])
    three = draws(3)
    assert all(three[method] == six[method][:3] for method in six), "more draws keep the first"
    known = search.distributions

    def fewer(config):
        return {name: one for name, one in known(config).items() if name != "lr"}

    monkeypatch.setattr(search, "distributions", fewer)
    without = draws(6)["maml"]
    assert without == [{key: value for key, value in one.items() if key != "lr"} for one in six["maml"]]


def test_the_suites_own_value_is_tried_once_where_it_is_among_those_given(bench, suite, tmp_path):
    suite.write_text(SUITE + "search: {values: {lr: [3.0e-4, 1.0e-3, 3.0e-3]}}\n")
    result = bench("--methods", "protonet", domains=("day",))
    assert all(
        f"draw {draw}: lr {lr} " in result.output for draw, lr in enumerate(("0.001", "0.0003", "0.003"))
    )
    assert len(trainings(tmp_path / "results")) == 3 + 1 and "draw 3" not in result.output


@pytest.mark.parametrize("budget, steps, seconds", [("images: 300", 6, None), ("seconds: 3.0", None, 1.5)])
def test_a_search_takes_its_share_of_the_suites_budget(suite, trees, tmp_path, budget, steps, seconds):
    """A training episode has 5 x (2 + 3) = 25 images; 300 images are 12 of them."""
    suite.write_text(SUITE + GRID + f"budget: {{{budget}}}\n")
    options = BenchOptions(str(suite), data={"day": trees / "day"}, methods=["protonet"], device="cpu",
                           out=tmp_path / "results")  # fmt: skip
    planned = plan(options)
    assert len(planned.trials) == 3
    for trial in planned.trials:
        assert steps is None or trial.model.config.steps == steps
        assert trial.model.seconds == seconds
    [run, *_] = make_plan(planned.bench.suite, planned.settings)
    assert (run.model.config.steps == 12) if steps else (run.model.seconds == 3.0)


def test_a_dry_run_counts_the_search(bench, searching, tmp_path):
    result = bench("--methods", "protonet", "--dry-run", domains=("day",))
    assert result.exit_code == 0 and not (tmp_path / "results").exists()
    assert "search  protonet  day  3 trainings" in result.output
    assert "3 search trainings and 1 runs, 0 done; about" in result.output


def test_a_network_of_ones_own_is_searched_as_any_other(bench, searching, tmp_path):
    """A suite file names no code; the command line has, and what is tried then keeps it."""
    code = "from torch import nn\n\nclass Tiny(nn.Sequential):\n    def __init__(self):\n"
    code += "        super().__init__(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 4))\n"
    (tmp_path / "net.py").write_text(code)
    own = f"{tmp_path / 'net.py'}:Tiny"
    result = bench("--methods", "protonet", "--backbone", own, "--dry-run", domains=("day",))
    assert result.exit_code == 0, result.output
    assert "search  protonet  day  3 trainings" in result.output


def test_another_search_is_another_bench(bench, suite, searching, tmp_path):
    assert bench("--methods", "protonet", domains=("day",)).exit_code == 0
    first = bench("--methods", "protonet", domains=("day",))
    assert first.output.startswith("1 of 1 runs are done already"), "finished: nothing is planned"
    other = bench("--methods", "protonet", "--search", "2", domains=("day",))
    assert other.exit_code == 0 and "draw 1: lr" in other.output
    plan = json.loads((tmp_path / "results" / "tiny" / "plan.json").read_text())
    assert [one["draw"] for one in plan["search"]["trials"]] == [0, 1]
    suite.write_text(SUITE)
    assert bench("--methods", "protonet", domains=("day",)).exit_code == 0


def test_plan_work_and_finish_of_a_search_each_stand_alone(suite, trees, tmp_path, searching, without_plots):
    options = BenchOptions(
        suite=str(suite), data={"day": trees / "day"}, methods=["protonet"], device="cpu", jobs=1,
        out=tmp_path / "results",
    )  # fmt: skip
    planned = plan(options)
    assert len(planned.trials) == 3 and not planned.runs and not options.out.exists()
    assert work(planned, [one.model.id for one in planned.trials[:2]]) == 0 and not decided(planned).runs
    assert work(planned, [planned.trials[2].model.id]) == 0
    assert len(trainings(options.out)) == 3, "the run's model is not among those that were named"
    [run] = decided(planned).runs
    assert run.id == plan(options).runs[0].id and run.model.seed == 0
    assert work(planned) == 0 and "ProtoNet" in finish(planned)


@pytest.mark.parametrize(
    "text, words",
    [
        ("{draws: 5, values: {lr: [1.0]}}", "search: give `draws` or `values`, one of the two"),
        ("{draws: 5, budget: 1/0}", "search.budget: '1/0' is not a share; give a number such as 0.5 or 1/3"),
        ("{draws: 5, seed: 0}", "search.seed: 0 is a seed of the bench too; give other `seeds`, or"),
        ("{values: {steps: [5]}}", "search.values.steps: is never searched: all settings are compared"),
        ("{values: {momentum: [0.5]}}", "search.values.momentum: no method of the suite has this setting"),
        ("{values: {lr: [-1.0]}}", "search.values.lr: -1.0: Input should be greater than 0"),
    ],
)
def test_what_a_search_cannot_be_is_said_in_one_line(bench, suite, text, words):
    suite.write_text(f"{SUITE}search: {text}\n")
    result = bench(domains=("day",))
    assert result.exit_code == 2 and words in result.output
    assert f"line {len(SUITE.splitlines()) + 1}: " in result.output.splitlines()[-1]


def test_a_damaged_log_of_a_trial_is_noticed_and_the_trial_made_again(bench, searching, tmp_path):
    assert bench("--methods", "protonet", domains=("day",)).exit_code == 0
    before = picked(tmp_path / "results")
    [name, *_] = [name for name in trainings(tmp_path / "results") if "seed1000" in name]
    log = tmp_path / "results" / "tiny" / "models" / name / "history.jsonl"
    log.write_text(log.read_text().replace("protonet", "other"))
    result = bench("--methods", "protonet", domains=("day",))
    assert result.exit_code == 0 and f"run {name}: history.jsonl was changed" in result.output
    assert picked(tmp_path / "results") == before


def test_several_settings_of_a_method_are_searched_each_by_itself_and_a_frozen_network_not_at_all(
    bench, suite, tmp_path
):
    suite.write_text(
        SUITE.replace(
            "presets:",
            "  slow: {method: protonet, steps: 4, validations: 2, lr: 1.0e-4}\n"
            "  random: {method: frozen, backbone: conv4, weights: none}\npresets:",
        )
        + GRID
    )
    result = bench("--methods", "protonet,slow,random", domains=("day",))
    assert result.exit_code == 0, result.output
    trials = [name for name, one in trainings(tmp_path / "results").items() if one["seed"] == 1000]
    assert sorted(name.split("-")[0] for name in trials) == ["protonet"] * 3 + ["slow"] * 3
    table = pd.read_csv(tmp_path / "results" / "tiny" / "search.csv")
    assert sorted(table["readout"].unique()) == ["protonet", "slow"]
    assert table[table["draw"] == 0].set_index("readout")["lr"].to_dict() == {"protonet": 1e-3, "slow": 1e-4}


def test_the_report_shows_what_was_tried_and_what_was_picked(bench, searching, tmp_path):
    assert bench("--methods", "protonet,supervised", "--sources", "day").exit_code == 0
    out = tmp_path / "results"
    table = pd.read_csv(out / "tiny" / "search.csv")
    assert len(table) == 6 and table.groupby("method")["picked"].sum().tolist() == [1, 1]
    value, rates = best(out, "protonet", "day", "protonet")
    [row] = table[table["picked"] & (table["method"] == "protonet")].itertuples()
    assert abs(row.validation - value) < 1e-6 and row.lr in rates
    page = (out / "tiny" / "table.md").read_text()
    section = page[page.index("## Settings searched") :]
    assert "0.5 of a training, with seed 1000" in section
    [line] = [line for line in section.splitlines() if line.startswith("| ProtoNet | `day` ")]
    default = table[(table["draw"] == 0) & (table["method"] == "protonet")]["validation"].item()
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[2:] == [f"lr {row.lr}", "3", "0", f"{100 * default:.1f}", f"{100 * value:.1f}"]
    results, names = read_results(out / "tiny"), Names()
    figure = figures(find(results, read_cells(results, names), names))["search"]()
    assert [axis.get_xlabel() for axis in figure.axes] == ["lr", "lr"]
    points = sorted(tuple(point) for point in figure.axes[0].lines[0].get_xydata())
    tried = table[table["method"] == "protonet"]
    assert points == [
        pytest.approx(point, abs=1e-3) for point in sorted(zip(tried["lr"], 100 * tried["validation"]))
    ]
