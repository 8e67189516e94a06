"""Bad days of a bench: each ends in one clear line, the other runs go on, and so does the next start.

    python benchmarks/faults.py                        # Linux; as root, or where users may mount
    python benchmarks/faults.py --only "full disk"     # those of this name or stage; writes nothing

Full and read-only disks, data and caches that change under a running bench, numbers that are none, no memory,
damaged files, a clock that jumps, signals, closed streams, odd names. Each befalls a bench of two methods on
120 pictures, or on rendered faces, in a process of its own, whose places are small disks in memory. Then the
same command goes on. Writes results/benchmarks/faults.md.
"""

import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from faulty import changes, disks, events, names
from faulty.fault import Fault
from faulty.places import Home, alone, clear, fresh, state
from faulty.processes import Ended, Started, run
from kills import differences

from fer_meta.fileio import write_text

KINDS: dict[str, tuple[Callable[[], Iterator[Fault]], ...]] = {
    "Full disks": (disks.full,),
    "Places that cannot be written or read": (disks.unwritable,),
    "Data, caches and results that change under a bench": (
        changes.changing_data,
        changes.changing_cache,
        changes.changing_results,
    ),
    "Damaged files": (changes.damaged,),
    "Numbers and memory": (events.numbers, events.memory),
    "A clock that jumps": (events.clocks,),
    "Signals and streams": (events.signals, events.streams),
    "Names": (names.odd, names.refused),
}

Tried = tuple[Fault, str, list[str]]
"""A fault, what the bench said of it, and what was lost."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", default="", help='Only faults whose "name: stage" has this pattern; writes nothing.')
@click.option(
    "--out", default="results/benchmarks", show_default=True, type=click.Path(file_okay=False, path_type=Path)
)
def main(only: str, out: Path) -> None:
    """Try each fault, and write a page."""
    prepare()
    faults = [(kind, fault) for kind, those in KINDS.items() for make in those for fault in make()]
    faults = [(kind, fault) for kind, fault in faults if re.search(only, f"{fault.name}: {fault.stage}")]
    tried: dict[str, list[Tried]] = {}
    # no TemporaryDirectory, which every fork would remove
    home = Home(Path(tempfile.mkdtemp(prefix="faults-")).resolve() / "home")
    began = time.perf_counter()
    try:
        trial = Trial(home)
        with click.progressbar(faults, label="faults", file=sys.stderr, show_eta=True, show_pos=True) as bar:
            for kind, fault in bar:
                tried.setdefault(kind, []).append((fault, *trial.of(fault)))
                click.echo(row(*tried[kind][-1]))
    finally:
        clear(home)
        shutil.rmtree(home.folder.parent)
    text = page(tried, time.perf_counter() - began)
    click.echo(text.partition("\n")[0])
    if not only:
        out.mkdir(parents=True, exist_ok=True)
        write_text(out / "faults.md", text)
    sys.exit(1 if any(wrong for rows in tried.values() for _, _, wrong in rows) else 0)


def prepare() -> None:
    """Import what benches import, once for all. None spends seconds on timing its methods."""
    import learn2learn  # noqa: F401

    import fer_meta.methods.protonet
    import fer_meta.methods.supervised
    import fer_meta.report.plots.all
    import fer_meta.runner.main  # noqa: F401
    from fer_meta.runner import estimate

    estimate.TIMED_SECONDS = 0.0


# --- one fault ----------------------------------------------------------------------------------------------


class Trial:
    """Benches that a fault befalls, beside those of the same kind that nothing befell."""

    def __init__(self, home: Home):
        self.home = home
        self._whole: dict[tuple[int, bool], Path] = {}

    def of(self, fault: Fault) -> tuple[str, list[str]]:
        """What the bench said, and what was lost."""
        home, whole = self.home, self.whole(fault.jobs, fault.rendered)
        fresh(home, fault.rendered)
        if fault.finished:
            for place in ("results", "cache"):
                shutil.copytree(whole / place, home.folder / place, dirs_exist_ok=True)
        fault.before(home)
        beside, data = set(home.folder.iterdir()), state([home.data])
        ended = self.run(fault)
        wrong = ending(fault, ended) + runs(fault, self.bench(fault))
        if fault.status != -signal.SIGKILL:
            wrong += self.left(rendering=fault.rendered)
        fault.repair(home)
        again = self.run(fault, mended=True)
        wrong += going_on(fault, again) + self.left()
        wrong += self.lost(whole / "results" / "tiny", fault)
        wrong += [f"{path.name} is new" for path in set(home.folder.iterdir()) - beside]
        if not any(path.startswith("data/day/") for path in fault.paths.values()):
            wrong += ["the data are others"] * (state([home.data]) != data)
        return self.short(telling(fault, ended, again)), [self.short(line) for line in wrong]

    def whole(self, jobs: int, rendered: bool) -> Path:
        """The results and the cache of a bench that nothing befell."""
        if (jobs, rendered) not in self._whole:
            fresh(self.home, rendered)
            ended = self.run(Fault("none", "none", rendered=rendered, jobs=jobs))
            if ended.status:
                raise click.ClickException(f"the undisturbed bench failed: {last(ended.said)}")
            kept = self.home.folder.parent / f"whole-{jobs}-{rendered}"
            for place in ("results", "cache"):
                shutil.copytree(self.home.folder / place, kept / place)
            self._whole[jobs, rendered] = kept
        return self._whole[jobs, rendered]

    def run(self, fault: Fault, mended: bool = False) -> Ended:
        """The bench, disturbed; or the same command, after the fault was mended."""

        def first() -> None:
            if not fault.plots:
                from fer_meta.report.plots import writing

                writing.write_figures = lambda drawings, folder: []

        out, data, suite, cache = (self.path(fault, name, mended) for name in names.USUAL)
        day = [] if fault.rendered else ["--data", f"day={data}"]
        words = ["bench", "--suite", suite, *day, "--device", "cpu", "--jobs", str(fault.jobs), "--out", out]
        if mended:
            return run(self.home, Started(words, cache, "files", fault.by_user, first))
        bench = Started(words, cache, fault.streams, fault.by_user, first)
        return run(self.home, bench, fault.at, fault.strike)

    def path(self, fault: Fault, name: str, mended: bool = False) -> str:
        """A place of the bench: the usual one where another was refused."""
        usual = names.USUAL[name]
        given = usual if mended and fault.status else fault.paths.get(name, usual)
        return given[1:] if given.startswith("=") else f"{self.home.folder}/{given}"

    def bench(self, fault: Fault, mended: bool = False) -> Path:
        return self.home.elsewhere / self.path(fault, "out", mended) / "tiny"

    def lost(self, whole: Path, fault: Fault) -> list[str]:
        """What differs from the bench that nothing befell. A table says where its bench lies."""
        try:
            found = differences(whole, self.bench(fault, mended=True))
        except OSError as error:
            return [f"{error.filename}: {error.strerror}"]
        here = re.compile(r"table\.(md|txt|tex) differs")
        return [line for line in found if not (fault.paths and here.match(line))]

    def left(self, rendering: bool = False) -> list[str]:
        """What is temporary in any place, and what lies where nothing should. A set that is `rendering` goes
        on from what is there.
        """
        patterns = ["results/**/.tmp*", "cache/**/.building*", "tmp/*", "elsewhere/*"]
        patterns = [pattern for pattern in patterns if not (rendering and pattern.startswith("cache"))]
        found = [path for pattern in patterns for path in self.home.folder.glob(pattern)]
        return [f"{path} is left behind" for path in found if path.name != "full"]

    def short(self, line: str) -> str:
        """A line without the machine's paths."""
        return line.replace(f"{self.home.folder}/", "")


def ending(fault: Fault, ended: Ended) -> list[str]:
    """What is wrong with how a bench ended, and with what it said."""
    wrong = []
    if fault.strike and not ended.struck:
        wrong.append("the fault did not come")
    if ended.status != fault.status:
        wrong.append(f"it ended with {ended.status} and not {fault.status}: {last(ended.said)}")
    if "Traceback" in ended.said:
        wrong.append("it shows a traceback")
    if fault.said and not re.search(fault.said, ended.said):
        wrong.append(f"it does not say {fault.said!r}: {last(ended.said)}")
    errors = len(re.findall("^fer-meta: ", ended.said, re.MULTILINE))
    if errors > 1:
        wrong.append(f"it says {errors} errors")
    return wrong


def runs(fault: Fault, bench: Path) -> list[str]:
    """What is wrong with the runs that a fault left."""
    try:
        failed, done = (len([*bench.glob(f"runs/*/{name}")]) for name in ("FAILED.json", "DONE"))
    except OSError:  # a path that was refused
        return []
    wrong = [f"{failed} runs have FAILED.json and not {fault.failed}"] * (failed != fault.failed)
    return wrong + [f"{done} runs are done and not {fault.done}"] * (done < fault.done)


def going_on(fault: Fault, again: Ended) -> list[str]:
    """What is wrong with the next start."""
    wrong = [f"the next start ended with {again.status}: {last(again.said)}"] * bool(again.status)
    wrong += ["the next start shows a traceback"] * ("Traceback" in again.said)
    silent = fault.again and not re.search(fault.again, again.said)
    return wrong + [f"the next start does not say {fault.again!r}"] * bool(silent)


# --- the page -----------------------------------------------------------------------------------------------


def telling(fault: Fault, ended: Ended, again: Ended) -> str:
    """The lines that tell of a fault, of the bench and of its next start."""
    found = [first_with(fault.said, ended.said), first_with(fault.again, again.said)]
    return "; then: ".join(filter(None, found))


def first_with(pattern: str, said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if pattern and re.search(pattern, line)]
    return re.sub(r"^fer-meta: |^\[\d\] ", "", lines[0]) if lines else ""


def last(said: str) -> str:
    return (said.strip().splitlines() or ["nothing"])[-1]


def row(fault: Fault, said: str, wrong: list[str]) -> str:
    said = re.sub("(?<=x)x{20,}", "…", said.replace("|", r"\|"))
    said = f"`` {said} ``" if "`" in said else said and f"`{said}`"
    survived, lost = ("no" if wrong else "yes"), "; ".join(wrong).replace("|", r"\|")
    name = fault.name.replace("|", r"\|")
    return f"| {name} | {fault.stage} | {said} | {survived} | {lost} |"


def page(tried: dict[str, list[Tried]], seconds: float) -> str:
    """Markdown: the sum, what was done, and a table for each kind of fault."""
    rows = [one for those in tried.values() for one in those]
    lost = sum(bool(wrong) for _, _, wrong in rows)
    head = "| fault | stage | what was said | survived | lost |"
    tables = [
        ["", f"## {kind}", "", head, "|---|---|---|---|---|", *(row(*one) for one in those)]
        for kind, those in tried.items()
    ]
    lines = [
        f"tried {len(rows)}, survived {len(rows) - lost}, lost {lost}",
        "",
        "# Bad days of a bench",
        "",
        f"`python benchmarks/faults.py`; {seconds / 60:.0f} minutes on two cores.",
        "",
        (
            "A bench of two methods on 120 pictures, or on rendered faces, is disturbed, once for each "
            "row. Its results, cache, data and temporary folder are small disks in memory. A fault comes "
            "when the bench first opens, makes or renames a file of the stage. Then it is removed, and "
            "the same command goes on."
        ),
        "",
        (
            "A bench survives if its exit status says whether something could not be done; if one line "
            "says where and what to do, and no traceback is shown; if FAILED.json lies where a run failed "
            "and the other runs are finished; and if the next start ends well. Answers and tables must "
            "then be those of a bench that nothing befell, byte for byte. Only the seconds of trainings "
            "may differ. Nothing temporary may be left, nothing may lie outside of the places, and the "
            "data must be as they were. Where nothing was said, the bench went on by itself, or was "
            "killed."
        ),
        "",
        (
            "The faults are real, with two exceptions. The clock jumps for the process alone, or the "
            "times of the files are changed. A full quota is an error that is raised where a file is "
            "opened. Plots are drawn only where they are disturbed. With one job, a cache that becomes "
            "shorter ends the process by SIGBUS, without a line: that is tried with two."
        ),
    ]
    return "\n".join([*lines, *(line for table in tables for line in table), ""])


if __name__ == "__main__":
    alone()
    main()
