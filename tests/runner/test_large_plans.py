"""A plan of thousands of models costs little: shared work is done once, a job reads its own files."""

from types import SimpleNamespace

import numpy as np
import pytest

from fer_meta.records import episodes as stored
from fer_meta.runner import main
from fer_meta.runner.dry_run import _divided
from fer_meta.runner.estimate import Cost
from fer_meta.runner.main import plan, work
from fer_meta.runner.options import BenchOptions
from fer_meta.runner.plan import make_plan
from fer_meta.runner.shards import fewest_shards
from fer_meta.tasks.pools import Pool


@pytest.fixture
def options(suite, trees, tmp_path):
    """Of a bench of two models and four runs."""
    return BenchOptions(
        str(suite),
        methods=["protonet"],
        seeds=[0, 1],
        data={name: trees / name for name in ("day", "night")},
        sources=["day"],
        device="cpu",
        jobs=1,
        out=tmp_path / "results",
    )


def test_the_episodes_of_a_target_are_hashed_once_whatever_the_runs(options, monkeypatch):
    planned, looks = plan(options), []
    positions = Pool.positions
    monkeypatch.setattr(Pool, "positions", lambda pool, rows: looks.append(1) or positions(pool, rows))
    again = make_plan(planned.bench.suite, planned.settings)
    assert [run.id for run in again] == [run.id for run in planned.runs] and len(again) == 4
    assert not looks


def test_a_job_of_one_model_reads_the_answers_of_no_other(options, monkeypatch):
    planned, looked_at = plan(options), []
    assert work(planned, quiet=True) == 0
    broken_seal = main.broken_seal
    monkeypatch.setattr(
        main, "broken_seal", lambda home, only="": looked_at.append(home.name) or broken_seal(home, only)
    )
    first = planned.runs[0].model.id
    assert work(plan(options), [first], quiet=True) == 0
    assert set(looked_at) == {run.id for run in planned.runs if run.model.id == first}


def test_what_is_damaged_is_still_done_again(options, capsys):
    planned = plan(options)
    assert work(planned, quiet=True) == 0
    run = planned.runs[-1]
    (planned.bench.run_folder(run) / "run.json").write_text("{}")
    assert work(plan(options), quiet=True) == 0
    assert (
        f"run {run.id}: run.json was changed after it was written; it is done again"
        in capsys.readouterr().out
    )


def test_each_file_of_episodes_is_looked_at_once(options, monkeypatch):
    planned, looked_at = plan(BenchOptions(**vars(options) | {"sources": None})), []
    monkeypatch.setattr(stored, "has_episodes", lambda path, rows: looked_at.append(path) or True)
    main.write_all_episodes(planned.folder, planned.settings)
    assert len(planned.settings) == 4 and len(looked_at) == len(set(looked_at)) > 0


@pytest.mark.parametrize(
    "seconds, jobs, parts",
    [
        ([30, 30, 30, 30], 1, 2),
        ([30, 30, 30, 30], 2, 1),
        ([50, 5, 50, 5], 1, 3),
        ([61, 1], 1, None),
        ([], 1, None),
    ],
)
def test_as_many_shards_as_keep_each_within_the_limit(seconds, jobs, parts):
    assert fewest_shards(seconds, 60, jobs) == parts
    if parts:
        of_each = [sum(seconds[number::parts]) for number in range(parts)]
        assert max(of_each) <= 60 * jobs


def test_the_fewest_shards_of_thousands_of_models():
    seconds = np.random.default_rng(0).uniform(10, 3599, 7200)
    parts = fewest_shards(seconds, 3600)
    assert parts and max(seconds[number::parts].sum() for number in range(parts)) <= 3600


def test_a_dry_run_says_which_model_is_the_longest(bench):
    result = bench("--methods", "protonet", "--dry-run", domains=("day",))
    assert "longest model: protonet, day, seed 0, about 0:0" in result.output


@pytest.mark.parametrize(
    "hours, said",
    [
        ([0.5, 0.3], ", about 30:00"),
        ([0.5, 0.6, 0.4], ", about 36:00; with --shard K/2 no machine works over an hour"),
        ([0.5, 2], ", about 2:00:00; a job that ends before goes on where it was when it is given again"),
    ],
)
def test_and_how_many_shards_take_an_hour_at_most(hours, said):
    source = SimpleNamespace(name="day")
    units = [
        [SimpleNamespace(id=str(number), model=SimpleNamespace(key="maml", source=source, seed=0))]
        for number in range(len(hours))
    ]
    costs = {str(number): Cost(3600 * one, 0.0) for number, one in enumerate(hours)}
    assert _divided(units, costs, 1) == f"longest model: maml, day, seed 0{said}"
