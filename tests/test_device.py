"""Precision is the machine's: `auto` takes bf16 only where it is fast."""

import os
import subprocess
import sys

import pytest
import torch

from fer_meta import device
from fer_meta.device import autocast, precision_on

pytestmark = pytest.mark.numeric

CPU = torch.device("cpu")


@pytest.fixture
def machine(monkeypatch):
    """A processor of which oneDNN and the instruction sets say this or that."""

    def make(kind: str, onednn: bool, avx512_bf16: bool):
        device._has_bf16_units.cache_clear()
        monkeypatch.setattr(device.platform, "machine", lambda: kind)
        monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: onednn)
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16, raising=False)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)

    yield make
    device._has_bf16_units.cache_clear()


@pytest.mark.parametrize(
    ("kind", "onednn", "units", "expected"),
    [
        ("x86_64", True, True, "bf16"),
        ("AMD64", True, False, "fp32"),  # AVX512 alone: oneDNN emulates bf16, slower than fp32
        ("x86_64", False, True, "fp32"),  # oneDNN is held at AVX2
        ("aarch64", True, False, "bf16"),
        ("aarch64", False, False, "fp32"),
    ],
)
def test_auto_takes_bf16_only_where_the_processor_has_units_for_it(machine, kind, onednn, units, expected):
    machine(kind, onednn, units)
    assert precision_on("auto", CPU) == expected
    with autocast("auto", CPU):
        assert torch.is_autocast_enabled("cpu") == (expected == "bf16")


def test_a_precision_that_is_asked_for_is_taken_on_any_machine(machine):
    machine("x86_64", False, False)
    assert [precision_on(asked, CPU) for asked in ("fp32", "bf16")] == ["fp32", "bf16"]


def test_an_older_processor_as_the_environment_plays_it_computes_in_fp32():
    code = (
        "import torch; from fer_meta.device import precision_on; print(precision_on('auto',"
        " torch.device('cpu')))"
    )
    older = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
    told = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **older}, capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "fp32"
