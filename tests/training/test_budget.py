"""Every training has the same budget: so many images, or so many seconds."""

import math

import numpy as np
import pytest
import torch
from helpers.methods import CLASSES, PROTOCOL, SIZE, build
from helpers.suites import GOOD

from fer_meta.errors import SuiteError
from fer_meta.methods import registry
from fer_meta.records.history import read_history
from fer_meta.suites.schema import read_suite
from fer_meta.tasks.pools import Domain, Pool
from fer_meta.training import checkpoints, loop
from fer_meta.training.batches import images_in, images_seen, steps_and_batches
from fer_meta.training.budget import Budget

pytestmark = pytest.mark.numeric

CPU = torch.device("cpu")


def domain_of(*counts: int) -> Domain:
    labels = np.repeat(np.arange(len(counts)), counts)
    images = np.zeros((len(labels), SIZE, SIZE, 3), dtype=np.uint8)
    pool = Pool("made-up", np.arange(len(labels)), labels, CLASSES[: len(counts)], None, None, {}, 0, "")
    return Domain("made-up", images, None, pool, pool, None, None)


def config(method: str, **changes):
    backbone = {} if method == "maml" else {"backbone": "conv4"}
    return registry.load(method).Config(**{"steps": 7, "augment": False, **backbone, **changes})


@pytest.mark.parametrize(
    "method, changes",
    [
        ("protonet", {}),
        ("protonet", {"batch": 3}),
        ("meta_baseline", {"batch": 9, "tasks": 2}),
        ("meta_baseline", {"batch": 9, "share": 0.2, "class_balance": "natural"}),
        ("supervised", {"batch": 9}),
        ("supervised", {"batch": 9, "class_balance": "natural"}),
        ("supervised", {"batch": 1, "class_balance": "natural"}),
        ("supervised", {"batch": 1}),
        ("supervised", {"batch": 9, "max_epochs": 2, "class_balance": "logit-adjusted"}),
    ],
)
def test_the_images_of_a_training_are_those_of_its_batches(method, changes):
    domain, settings = domain_of(12, 10, 6), config(method, **changes)
    steps, batch_at = steps_and_batches(build(method), settings, domain, PROTOCOL, 0, CPU)
    shown = sum(images_in(batch_at(step)) for step in range(steps))
    assert images_seen(build(method), settings, domain.train, PROTOCOL) == shown


def test_steps_are_the_nearest_to_the_images_on_a_worked_example():
    """An episode of three classes with two shots and two queries has 12 images."""
    pool = domain_of(12, 10, 6).train
    shape = PROTOCOL.train
    an_episode = shape.way * (shape.shots + shape.queries)

    def steps(method, images, **changes):
        return Budget(images=images).applied(method, config(method, **changes), pool, PROTOCOL).steps

    assert steps("protonet", 100 * an_episode) == 100
    assert steps("protonet", 100 * an_episode + an_episode // 2 + 1, batch=1) == 101
    assert steps("protonet", 100 * an_episode, batch=4) == 25
    assert steps("supervised", 1000, batch=64) == 16  # 1,024, and 15 steps have 960
    # 28 images: passes of 20 and 8
    assert steps("supervised", 67, batch=20, class_balance="natural") == 5
    assert steps("supervised", 71, batch=20, class_balance="natural") == 5
    assert steps("supervised", 81, batch=20, class_balance="natural") == 6


def test_the_images_of_two_stages_come_to_the_budget_too():
    pool, settings = domain_of(12, 10, 6).train, config("meta_baseline", batch=10)
    settings = Budget(images=10_000).applied("meta_baseline", settings, pool, PROTOCOL)
    assert images_seen(build("meta_baseline"), settings, pool, PROTOCOL) == pytest.approx(10_000, abs=6)


@pytest.mark.parametrize("budget", [Budget(images=1000), Budget(seconds=5)])
def test_a_network_that_is_never_trained_stays_as_it_is(budget):
    settings = registry.load("frozen").Config()
    assert budget.applied("frozen", settings, domain_of(12, 10, 6).train, PROTOCOL) == settings


def test_no_number_of_passes_stops_a_training_under_a_budget():
    domain = domain_of(12, 10, 6)
    settings = config("supervised", batch=28, max_epochs=2)
    settings = Budget(images=2800).applied("supervised", settings, domain.train, PROTOCOL)
    assert steps_and_batches(build("supervised"), settings, domain, PROTOCOL, 0, CPU)[0] == 100


def test_a_budget_of_less_than_half_a_step_is_an_error():
    with pytest.raises(SuiteError, match=r"budget: 10 images are less than half a step of supervised, .* 64"):
        pool = domain_of(12, 10, 6).train
        Budget(images=10).applied("supervised", config("supervised"), pool, PROTOCOL)


# --- seconds ----------------------------------------------------------------------------------------------


class Clock:
    """A clock that stands still, apart from what `passes` adds."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(loop, "time", clock)
    return clock


def train(clock, folder, seconds, stop_after=None):
    """A training of a step a second, whose validations take 100 seconds."""
    domain, settings = domain_of(12, 10, 6), config("protonet", validations=2, steps=10**8, lr=0.01)
    method = build("protonet")
    _, batch_at = steps_and_batches(method, settings, domain, PROTOCOL, 0, CPU)

    def timed(step):
        if step == stop_after:
            raise KeyboardInterrupt
        clock.passes(1)
        return batch_at(step)

    def validate():
        clock.passes(100)
        return {"val_accuracy": {"protonet": 0.5}}

    loop.fit(method, settings, settings.steps, timed, validate, folder, seconds=seconds)
    return read_history(folder)


def test_a_training_by_seconds_stops_at_the_first_step_after_them_without_validation(clock, tmp_path):
    log = train(clock, tmp_path, 9.5)
    assert [row["step"] for row in log if "val_accuracy" in row] == [5, 10]
    assert log[-1]["step"] == 10 and log[-1]["train_seconds"] == 10
    assert log[-1]["images"] == 10 * images_in([_episode()])
    assert log[-1]["seconds"] == 210


def test_a_resumed_training_goes_on_with_the_seconds_and_images_it_had_used(clock, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(clock, tmp_path, 10, stop_after=7)
    clock.passes(5000)  # between the two parts
    log = train(clock, tmp_path, 10)
    assert [row["step"] for row in log] == list(range(1, 11))
    assert log[-1]["train_seconds"] == 10 and log[-1]["images"] == 10 * images_in([_episode()])


def test_the_cosine_follows_the_share_of_the_seconds(clock, tmp_path, monkeypatch):
    rates = []

    def step(method, config, optimiser, *_):
        rates.append(optimiser.param_groups[0]["lr"])
        return torch.zeros(2)

    monkeypatch.setattr(loop, "train_step", step)
    train(clock, tmp_path, 4)
    assert rates == pytest.approx([0.01 * 0.5 * (1 + math.cos(math.pi * share / 4)) for share in range(4)])


def _episode():
    domain = domain_of(12, 10, 6)
    _, batch_at = steps_and_batches(build("protonet"), config("protonet"), domain, PROTOCOL, 0, CPU)
    return batch_at(0)[0]


# --- the suite --------------------------------------------------------------------------------------------


def test_a_preset_may_set_the_budget_and_two_kinds_at_once_are_an_error(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD.replace("    protocol: {episodes: 50}", "    budget: {images: 1000}"))
    assert read_suite(str(path), "quick").budget == Budget(images=1000)
    assert read_suite(str(path), "full").budget is None
    assert read_suite(str(path), "quick", budget={"seconds": 2.5}).budget == Budget(seconds=2.5)
    path.write_text(GOOD + "budget: {images: 1000, seconds: 5}\n")
    with pytest.raises(SuiteError, match="budget: give `images` or `seconds`, and only one of them"):
        read_suite(str(path), "full")


@pytest.mark.parametrize("method", ["meta_baseline"])
def test_seconds_fix_no_share_of_the_images_for_a_second_stage(method):
    """The second stage would begin after 50 million steps: never."""
    pool = domain_of(12, 10, 6).train
    with pytest.raises(SuiteError, match="has two stages.*--budget images=N, or leave it out of --methods"):
        Budget(seconds=600).applied(method, config(method), pool, PROTOCOL)


def test_a_checkpoint_of_a_training_by_the_clock_that_was_killed_before_its_state_goes(tmp_path, monkeypatch):
    """The training that goes on has other steps, and its log does not know that checkpoint."""
    method, settings = build("protonet"), config("protonet", validations=2)
    domain = domain_of(12, 10, 6)
    steps, batch_at = steps_and_batches(method, settings, domain, PROTOCOL, 0, CPU)

    def fit():
        loop.fit(method, settings, steps, batch_at, lambda: {"val_accuracy": {"protonet": 0.5}}, tmp_path)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(checkpoints, "write_history", interrupted)
        fit()
    [orphan] = checkpoints.snapshots(tmp_path).values()
    orphan.rename(orphan.with_name("step-000099.safetensors"))
    fit()
    assert list(checkpoints.snapshots(tmp_path)) == list(checkpoints.read_validations(tmp_path))


def interrupted(*_):
    raise KeyboardInterrupt
