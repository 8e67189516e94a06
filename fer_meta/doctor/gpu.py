"""Whether torch computes on the GPUs that this machine has, and why not."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from fer_meta.doctor import Asked
from fer_meta.doctor.findings import Finding, broken, note, ok, warning
from fer_meta.doctor.processor import BUILDS
from fer_meta.oneline import one_line
from fer_meta.words import storage

HIDING = "CUDA_VISIBLE_DEVICES"
SECONDS = 15


@dataclass(frozen=True)
class Driver:
    """What `nvidia-smi` says: the newest CUDA that the driver knows, or why it does not answer."""

    cuda: str = ""
    fault: str = ""


def findings(asked: Asked) -> Iterator[Finding]:
    """A line for each GPU that torch sees; why it sees none, where there is one."""
    yield from of_facts(asked.torch.facts)


def of_facts(facts: dict) -> Iterator[Finding]:
    """The findings of what torch told."""
    devices = facts.get("devices", [])
    for device in devices:
        yield device_finding(device)
    if "jobs" not in facts:
        yield note("not looked at, for torch cannot be used")
    elif "error" in facts:
        yield broken(
            f"torch failed while {facts.get('at')} ({facts['error']})",
            f"give --device cpu, or update the GPU's driver, or take another build of torch: {BUILDS}",
        )
    elif not devices:
        yield from without(facts, driver(), os.environ.get(HIDING))


def device_finding(device: dict) -> Finding:
    """A GPU by name, with its memory and precision, or why it cannot be used."""
    name = f"{device['device']}: {device.get('name') or 'GPU'}"
    memory = device.get("memory")
    left = f", {storage(memory[0])} of {storage(memory[1])} free" if memory else ""
    if fault := device.get("fault"):
        return broken(
            f"{name}{left}: {fault}",
            f"give --device cpu, or end what else fills it, or take a build of torch for it: {BUILDS}",
        )
    return ok(f"{name}{left}, --precision auto is {device.get('precision')} on it")


def without(facts: dict, found: Driver | None, hidden: str | None) -> Iterator[Finding]:
    """Why torch sees no GPU. `found` is None where NVIDIA's driver is not installed; `hidden` is the value of
    HIDING.
    """
    version, cuda = facts["version"], facts.get("cuda")
    said = one_line(" ".join(facts.get("said", [])), 200)
    if facts.get("apple"):
        yield warning(
            f"torch {version} does not use this machine's GPU (MPS)",
            f"it needs macOS 12.3 or later, and Python and torch for arm64: {BUILDS}",
        )
    elif found is None:
        yield note("no GPU that torch can use; a bench computes on the processor")
    elif found.fault:
        yield warning(
            f"NVIDIA's driver does not answer (nvidia-smi: {found.fault})",
            "restart the machine or install the driver again; of a container: docker run --gpus all",
        )
    elif cuda is None:
        newest = f" {found.cuda} or older" if found.cuda else ""
        yield warning(
            f"there is a GPU, and torch {version} was built without CUDA",
            f"install torch and torchvision for CUDA{newest}: {BUILDS}",
        )
    elif hidden is not None:
        yield warning(f"there is a GPU, and {HIDING}={hidden!r} hides it", f"unset {HIDING}")
    else:
        known = f", and the driver knows CUDA {found.cuda}" if found.cuda else ""
        yield warning(
            f"there is a GPU, and torch {version} cannot use it: it was built for CUDA {cuda}{known}"
            f"{f' ({said})' if said else ''}",
            f"update NVIDIA's driver, or install torch and torchvision for an older CUDA: {BUILDS}",
        )


def driver() -> Driver | None:
    """NVIDIA's driver; None where there is no nvidia-smi."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    try:
        done = subprocess.run([program], capture_output=True, text=True, errors="replace", timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Driver(fault=one_line(str(error), 200))
    if done.returncode:
        return Driver(fault=one_line(done.stdout + done.stderr, 200) or f"status {done.returncode}")
    newest = re.search(r"CUDA Version:\s*([\d.]+)", done.stdout)
    return Driver(cuda=newest[1] if newest else "")
