"""The processor and the memory that a bench may use here."""

import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path

from fer_meta.doctor import Asked
from fer_meta.doctor.findings import Finding, broken, looked_at, note, ok, warning
from fer_meta.doctor.memory import Memory, memory
from fer_meta.words import many, storage

BUILDS = "https://pytorch.org/get-started/locally"

JOB = 1e9
"""Bytes that a training of the package's suites takes at most; most take less."""

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


def findings(asked: Asked) -> Iterator[Finding]:
    """Cores, instructions, threads, memory, and what follows for precision and jobs."""
    facts = asked.torch.facts
    if "version" not in facts:
        yield note(f"{name()}: not looked at, for torch cannot be imported")
    else:
        yield from computing(facts)
    yield from looked_at("the memory", lambda: memory_findings(memory(), facts.get("jobs", 1)))


def computing(facts: dict, machine: str = platform.machine()) -> Iterator[Finding]:
    """What torch says of the processor, which is of the kind `machine`."""
    if facts.get("fault"):
        yield broken(f"{name()}: torch {facts['fault']} on it", f"take another build of torch: {BUILDS}")
    if "jobs" not in facts:
        # What ends a process here was built for another processor, or is damaged.
        said = f"{facts.get('error')} while {facts.get('at')}"
        yield broken(
            f"{name()}: torch cannot be used on it ({said})", f"take another build of torch: {BUILDS}"
        )
        return
    cores, every = facts["cores"], facts["all_cores"]
    limited = f" of {every}, as its affinity or container says" if every and cores < every else ""
    plain = facts["instructions"] in ("DEFAULT", "NO AVX")  # as torch says of all but x86, too
    line = ", ".join([name(), f"{many(cores, 'core')}{limited}", *([] if plain else [facts["instructions"]])])
    if plain and machine.lower() in ("x86_64", "amd64"):
        yield warning(
            f"{line}: torch uses no AVX2, and is several times slower",
            "use a newer processor, let a virtual machine see all of this one, or unset ATEN_CPU_CAPABILITY",
        )
    else:
        yield ok(line)
    yield from threads(facts["threads"], cores)
    units = "it has units for it" if facts["precision"] == "bf16" else "it has no units for bf16"
    yield ok(f"--precision auto is {facts['precision']} on this processor: {units}")
    yield ok(f"a bench trains {many(facts['jobs'], 'model')} at a time on this processor (--jobs)")


def threads(found: int, cores: int) -> Iterator[Finding]:
    """Whether torch's threads keep the cores busy."""
    if found >= cores:
        return
    named = [variable for variable in THREADS if variable in os.environ]
    said = ", ".join([many(cores, "core"), *(f"{variable}={os.environ[variable]}" for variable in named)])
    yield warning(
        f"torch uses {many(found, 'thread')} ({said})",
        f"unset {' '.join(named)}" if named else "set OMP_NUM_THREADS to the number of cores",
    )


def memory_findings(found: Memory | None, jobs: int) -> Iterator[Finding]:
    """Whether the jobs of a bench fit."""
    if found is None:
        yield note("how much memory is free is not known on this system")
        return
    line = f"memory: {storage(found.free)} of {storage(found.total)} free{found.limited}"
    if found.free >= jobs * JOB:
        yield ok(line)
        return
    fitting = max(1, int(found.free // JOB))
    fewer = f", or give --jobs {fitting}" if fitting < jobs else ""
    yield warning(f"{line}, and each model may take {storage(JOB)}", f"close other programs{fewer}")


def name() -> str:
    """The processor by its name, as far as the system says it."""
    told = Path("/proc/cpuinfo")
    try:
        found = re.search(r"^model name\s*:\s*(\S.*)", told.read_text(errors="replace"), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine() or "processor"
