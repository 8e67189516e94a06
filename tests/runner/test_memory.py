"""A GPU whose memory is full: once costs nothing, twice fails the run in one line, and no other run."""

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.tiny_bench import folders, numbers

from fer_meta.damage import expected
from fer_meta.evaluation.features import Features
from fer_meta.records.seals import FAILED
from fer_meta.runner import estimate
from fer_meta.training import loop

WORDS = ("--methods", "protonet,supervised", "--jobs", "1")


@pytest.fixture
def full(monkeypatch):
    """Let the memory be full at some steps of ProtoNet, counted from 1, those that are timed among them."""

    def at(*numbers):
        train_step, steps = loop.train_step, iter(range(1, 1000))

        def step(method, *more):
            if type(method).__module__.endswith("protonet") and next(steps) in numbers:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return train_step(method, *more)

        monkeypatch.setattr(loop, "train_step", step)

    return at


def test_a_training_goes_on_as_if_nothing_had_been(bench, tmp_path, full, monkeypatch):
    assert bench(*WORDS, domains=("day",), out="whole").exit_code == 0
    monkeypatch.setattr(estimate, "TIMED_SECONDS", 0.0)
    full(7)
    result = bench(*WORDS, domains=("day",))
    assert result.exit_code == 0 and "the GPU's memory was full; it goes on where it was" in result.output
    pd.testing.assert_frame_equal(numbers(tmp_path / "results"), numbers(tmp_path / "whole"))


def test_a_memory_that_stays_full_fails_the_run_alone_and_says_what_to_do(bench, tmp_path, full):
    full(*range(1, 1000))
    result = bench(*WORDS, domains=("day",))
    assert result.exit_code == 1 and result.output.count("FAILED:") == 1
    assert "the GPU's memory was full; leave it to fewer processes" in result.output
    runs = folders(tmp_path / "results" / "tiny" / "runs")
    assert [(run / FAILED).exists() for run in runs.values()] == [True, False]


def test_a_full_memory_is_no_damaged_file():
    with pytest.raises(torch.cuda.OutOfMemoryError), expected("step-30.safetensors", "is no checkpoint"):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")


def test_images_that_are_too_many_at_once_are_embedded_in_halves(monkeypatch):
    class Sums:
        normalisation = None

    def forward(self, rows):
        if len(rows) > 150:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return torch.from_numpy(self.images[rows].sum((1, 2, 3), dtype=np.float32))[:, None]

    monkeypatch.setattr(Features, "_forward", forward)
    images = np.random.default_rng(0).integers(0, 256, (300, 4, 4, 3), dtype=np.uint8)
    features = Features(Sums(), images, torch.device("cpu"))(np.arange(300))
    assert (features[:, 0].numpy() == images.sum((1, 2, 3))).all()
