"""`fer-meta doctor`: what is broken is found and has a fix, nothing that is looked at is changed, and nothing
ends the doctor.
"""

import configparser
import errno
import fcntl
import os
import signal
import sys
import time
from pathlib import Path

import filelock
import pytest
from click.testing import CliRunner
from helpers import stored_results, trees

from fer_meta import commands
from fer_meta.cli.main import main
from fer_meta.datasets.cache import load_images
from fer_meta.datasets.registry import spec_for
from fer_meta.doctor import Asked, cache, children, facts, gpu, installation, memory, processor, results
from fer_meta.doctor.children import Child
from fer_meta.doctor.data import findings as data_findings
from fer_meta.doctor.findings import BROKEN, NOTE, OK, WARNING, looked_at
from fer_meta.fileio import TEMPORARY
from fer_meta.records.plan import read_plan
from fer_meta.records.seals import seal
from fer_meta.runner.locks import part_in

FACTS = {
    "version": "2.14.1",
    "cuda": "13.0",
    "instructions": "AVX512",
    "threads": 2,
    "fault": None,
    "cores": 2,
    "all_cores": 2,
    "jobs": 2,
    "precision": "bf16",
    "said": [],
    "devices": [],
}


def line(found, *words, state=BROKEN):
    """The one line of this state that holds all the words."""
    lines = [one.line for one in found if one.state == state]
    fitting = [text for text in lines if all(word in text for word in words)]
    assert len(fitting) == 1, lines
    return fitting[0]


def states(found):
    return {one.state for one in found}


def asked(data=None):
    return Asked(data or {}, Path("results"), None, None)


# the installation


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A function that writes the notes of an installed package, as pip leaves them, before all others."""
    monkeypatch.syspath_prepend(str(tmp_path / "site"))

    def install(name, version, *requires):
        notes = tmp_path / "site" / f"{name.replace('-', '_')}-{version}.dist-info"
        notes.mkdir(parents=True)
        lines = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {one}" for one in requires)]
        (notes / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", *lines, ""]))

    return install


def test_a_package_that_is_missing_or_too_old_is_named_with_the_command_that_adds_it(installed):
    installed(
        "fer-meta", "0.1.0", "tool>=2.0,<3", "absent>=1", "other; sys_platform == 'nowhere'", "fine>=1.9"
    )
    installed("tool", "1.10")
    installed("fine", "1.10")
    found = list(installation.package_findings())
    pip = f"{sys.executable} -m pip install"
    assert line(found, "tool is installed as 1.10").endswith(f"{pip} 'tool<3,>=2.0'")
    assert line(found, "absent is not installed").endswith(f"{pip} 'absent>=1'")
    assert len([one for one in found if one.state == BROKEN]) == 2


def test_a_torchvision_of_another_torch_is_found(installed):
    installed("fer-meta", "0.1.0", "pictures>=1")
    installed("pictures", "1.0", "tensors==2.4")
    installed("tensors", "2.3")
    found = line(installation.package_findings(), "tensors is installed as 2.3", state=WARNING)
    assert "by pictures 1.0" in found and "pip install tensors==2.4" in found


def test_an_extra_says_what_it_is_for_and_how_it_is_added(installed):
    installed("fer-meta", "0.1.0", 'films>=2; extra == "video"', 'hubs; extra == "hub"')
    installed("hubs", "1.0")
    found = list(installation.extra_findings())
    added = line(found, "fer-meta data prepare", "films is not installed", state=NOTE)
    assert added.endswith("-m pip install 'fer-meta[video]'")
    assert "fer-meta data get" in line(found, state=OK)


def test_the_doctor_knows_all_extras_that_users_install():
    setup = configparser.ConfigParser()
    setup.read(Path(__file__).parents[1] / "setup.cfg")
    ours = {"test", "dev", "docs", "benchmarks"}
    assert set(setup["options.extras_require"]) - ours == set(installation.EXTRAS)


def test_every_message_adds_an_extra_by_the_same_command():
    assert commands.with_extra("hub") == f"{sys.executable} -m pip install 'fer-meta[hub]'"
    package = Path(installation.__file__).parents[1]
    own = {path.name for path in package.rglob("*.py") if "pip install 'fer-meta[" in path.read_text("utf-8")}
    assert own == {"prepare.py", "faceless.py"}, "a help text, and a page that others may read"


def test_a_run_from_a_folder_says_that_its_packages_are_not_known(monkeypatch):
    monkeypatch.setattr(installation, "PACKAGE", "fer-meta-that-nobody-installed")
    assert "pip install -e" in line(installation.package_findings(), "is not installed", state=WARNING)


@pytest.mark.parametrize(
    ("version", "told", "state", "words"),
    [
        ("0.2.0+lean", {}, OK, "0.2.0+lean"),
        ("0.2.0", {}, OK, "works too"),
        ("0.1.7", {}, WARNING, "fer_meta.install_learn2learn"),
        (None, {"refused": "no module"}, BROKEN, "fer_meta.install_learn2learn"),
        ("0.2.0+lean", {"refused": "no module"}, BROKEN, "(no module)"),
    ],
)
def test_learn2learn_is_there_in_a_build_that_works(version, told, state, words):
    assert words in line(installation.learn2learn_findings(told, version, FACTS), state=state)


# processes of their own


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A function that puts a library of this code before the one that is installed, for new processes."""
    monkeypatch.syspath_prepend(str(tmp_path / "libraries"))

    def write(name, code):
        (tmp_path / "libraries").mkdir(exist_ok=True)
        (tmp_path / "libraries" / f"{name}.py").write_text(code)

    return write


def test_a_torch_that_ends_its_process_is_found_and_all_else_is_looked_at(library):
    library("torch", f"import os\nos.kill(os.getpid(), {int(signal.SIGILL)})")
    with Child("torch") as torch:
        found = [
            *installation.torch_findings(torch.facts),
            *processor.findings(Asked({}, Path(), torch, torch)),
        ]
        assert "pip install --force-reinstall torch" in line(found, "SIGILL")
        assert line(gpu.of_facts(torch.facts), "not looked at", state=NOTE)


def test_a_library_that_never_answers_is_given_up(library, monkeypatch):
    library("torch", "import time\ntime.sleep(600)")
    monkeypatch.setattr(children, "SECONDS", 1)
    with Child("torch") as torch:
        assert "no answer within 1 seconds" in line(installation.torch_findings(torch.facts))


def test_a_learn2learn_that_cannot_be_imported_says_why(library):
    library("learn2learn", "raise RuntimeError('operator nms\\ndoes not exist')")
    with Child("learn2learn") as learn2learn:
        assert learn2learn.facts["refused"] == "RuntimeError: operator nms does not exist"


def test_a_gpu_that_hangs_leaves_what_is_known_of_the_processor():
    told = FACTS | {"at": "cuda:0 computes", "error": "no answer within 90 seconds"}
    assert "--device cpu" in line(gpu.of_facts(told), "cuda:0 computes", "no answer")
    assert states(processor.computing(told)) == {OK}


# processor, memory, GPU


def test_what_slows_torch_down_is_said(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    slow = FACTS | {"threads": 1, "instructions": "NO AVX", "precision": "fp32"}
    found = list(processor.computing(slow, "x86_64"))
    assert line(found, "1 thread", state=WARNING).endswith("unset OMP_NUM_THREADS")
    assert line(found, "AVX2", state=WARNING)
    assert line(found, "--precision auto is fp32", state=OK) and line(found, "trains 2 models", state=OK)
    assert "AVX" not in "".join(one.line for one in processor.computing(slow, "arm64"))


V1 = (
    "4:memory:/docker/abc\n0::/\n",
    "memory/",
    "memory.limit_in_bytes",
    "memory.usage_in_bytes",
    "total_inactive_file",
)
V2 = "0::/pod/one\n", "pod/", "memory.max", "memory.current", "inactive_file"


@pytest.mark.parametrize("groups", [V1, V2])
def test_the_memory_is_what_the_container_leaves(tmp_path, monkeypatch, groups):
    told, inside, limit, used, files = groups
    monkeypatch.setattr(memory, "PROC", tmp_path / "proc")
    monkeypatch.setattr(memory, "CGROUPS", tmp_path / "cgroup")
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "self" / "cgroup").write_text(told)
    (tmp_path / "proc" / "meminfo").write_text("MemTotal: 32000000 kB\nMemAvailable: 30000000 kB\n")
    assert memory.memory() == memory.Memory(32_000_000 * 1024, 30_000_000 * 1024)
    group = tmp_path / "cgroup" / inside
    group.mkdir(parents=True)
    (group / limit).write_text("4000000000\n")
    (group / used).write_text("3000000000\n")
    (group / "memory.stat").write_text(f"anon 1\n{files} 500000000\n")
    found = memory.memory()
    assert (found.total, found.free) == (4_000_000_000, 1_500_000_000)
    assert line(processor.memory_findings(found, 2), "container", "--jobs 1", state=WARNING)


def test_the_small_computation_runs_here():
    assert facts.fault_of("cpu") is None
    assert "cannot compute" in facts.fault_of("cuda:99")


def test_a_gpu_that_does_not_compute_is_broken():
    there = {"device": "cuda:0", "name": "H200", "memory": [2e9, 4e9], "precision": "bf16", "fault": None}
    assert "H200, 2.0 GB of 4.0 GB free" in gpu.device_finding(there).line
    wrong = gpu.device_finding(there | {"fault": "computes wrong numbers"})
    assert wrong.state == BROKEN and "--device cpu" in wrong.line


@pytest.mark.parametrize(
    ("script", "told", "hidden", "words"),
    [
        ("echo 'Driver 550  CUDA Version: 12.4'", {"cuda": None}, None, "without CUDA; install torch"),
        (
            "echo 'CUDA Version: 12.4'",
            {"said": ["The driver is too old"]},
            None,
            "the driver knows CUDA 12.4",
        ),
        ("echo 'CUDA Version: 13.0'", {}, "", "unset CUDA_VISIBLE_DEVICES"),
        ("echo 'No devices were found'; exit 6", {}, None, "No devices were found"),
    ],
)
def test_why_torch_sees_no_gpu_is_said(tmp_path, monkeypatch, script, told, hidden, words):
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert words in line(gpu.without(FACTS | told, gpu.driver(), hidden), state=WARNING)


def test_a_machine_without_a_gpu_is_fine(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert line(gpu.of_facts(FACTS), "computes on the processor", state=NOTE)


# data, cache, results


def test_data_sets_are_found_and_faulty_ones_say_why(tmp_path, monkeypatch):
    home = tmp_path / "data"
    trees.folder_labels(home / "good")
    (home / "empty").mkdir()
    (home / "my faces").mkdir()
    (home / "gone").symlink_to("nowhere")
    monkeypatch.setenv("FER_META_DATA", str(home))
    found = list(data_findings(asked({"given": tmp_path / "nothing"})))
    assert line(found, "good: 4 images", str(home / "good"), state=OK)
    assert line(found, "no images") and line(found, "no folder", "--data given=PATH")
    assert line(found, "my faces", "rename it", state=WARNING) and line(found, "gone", state=WARNING)


def test_no_data_is_fine_and_a_home_that_is_not_there_is_not(tmp_path, monkeypatch):
    assert line(data_findings(asked()), "renders faces", state=NOTE)
    monkeypatch.setenv("FER_META_DATA", str(tmp_path / "unmounted"))
    assert line(data_findings(asked()), "unmounted", "renders faces in place of your data")


def contents(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def test_damaged_and_half_built_sets_of_the_cache_are_found_and_left_alone(tmp_path):
    place, root = tmp_path / "cache", trees.folder_labels(tmp_path / "data")
    load_images(spec_for("faces", root), root, 12, progress=False)
    assert states(cache.findings(asked())) <= {OK, WARNING}  # a full disk is no fault of the doctor
    (made,) = place.iterdir()
    (made / "images.npy").write_bytes(b"")
    (place / ".building-dead").mkdir()
    (place / ".building-dead" / ".owned").touch()
    os.utime(place / ".building-dead" / ".owned", (time.time() - 120,) * 2)
    before = contents(place)
    found = list(cache.findings(asked()))
    assert line(found, str(made), "damaged", state=WARNING)
    assert line(found, ".building-dead", "half-built", state=NOTE)
    assert contents(place) == before
    assert line(cache.cached_findings(seconds=0), "1 of its 2 sets", state=NOTE)


def test_a_cache_that_cannot_be_written_or_locked_is_broken(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FER_META_CACHE", str(tmp_path / "file"))
    assert "set FER_META_CACHE to another folder" in line(cache.findings(asked()), "cannot be written")
    monkeypatch.setenv("FER_META_CACHE", str(tmp_path / "not" / "yet"))

    def refused(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refused)
    assert line(cache.findings(asked()), str(tmp_path / "not"), "cannot lock files")
    assert not (tmp_path / "not").exists()


@pytest.fixture
def out(tmp_path):
    """Results whose runs are sealed: 22 of 24 are done, and one has failed."""
    folder = stored_results.write(tmp_path / "results" / "cross-domain", episodes=2)
    for run in folder.glob("runs/*/DONE"):
        seal(run.parent, ["run.json", "predictions.parquet"])
    return tmp_path / "results"


def test_how_far_a_bench_is_what_failed_and_the_command_that_goes_on(out):
    found = list(results.results_findings(out))
    told = line(found, "22 of 24 runs are done", state=NOTE)
    assert f"{stored_results.COMMAND} --out {out}" in told
    assert line(found, "1 run failed", stored_results.FAILED, stored_results.ERROR, state=WARNING)
    assert BROKEN not in states(found)
    for run in (stored_results.FAILED, stored_results.UNFINISHED):
        seal(out / "cross-domain" / "runs" / run, ["predictions.parquet"])
    assert line(results.results_findings(out), "24 of 24", state=OK)


def test_damage_in_results_is_found_and_nothing_is_changed(out):
    bench = out / "cross-domain"
    first, second, *_ = sorted(run.parent for run in bench.glob("runs/*/DONE"))
    (first / "run.json").write_text("{}")
    (second / "predictions.parquet").unlink()
    (first / f"{TEMPORARY}-left").write_text("half")
    (out / "odd\nname").mkdir()
    (out / "odd\nname" / "plan.json").write_text("[" * 100_000)
    before = contents(out)
    found = list(results.results_findings(out))
    assert line(found, "2 finished runs damaged", "run.json was changed", "the command above")
    assert line(found, "odd\\nname/plan.json", "cannot be read")
    assert line(found, "1 temporary file", state=NOTE)
    assert contents(out) == before
    assert line(results.results_findings(out, seconds=-1), "22 finished runs not compared", state=NOTE)


def test_who_works_in_a_folder_is_said_and_is_not_disturbed(out):
    bench = out / "cross-domain"
    assert "at work" not in " ".join(one.line for one in results.results_findings(out))
    with part_in(bench, read_plan(bench), lambda alone: None):
        (claim,) = (bench / ".locks").glob("worker-*.owner")
        worker = claim.with_suffix("")
        assert line(results.results_findings(out), "1 process at work", state=NOTE)
        with pytest.raises(filelock.Timeout):
            filelock.FileLock(worker, timeout=0).acquire()


# the command


def test_one_thing_that_cannot_be_looked_at_hides_no_other():
    def fails():
        yield from ()
        raise KeyError("a fault of the doctor's own")

    assert line(looked_at("the moon", fails), "the moon", "KeyError")


def test_what_is_broken_is_the_exit_status_and_each_line_has_a_fix(library, tmp_path):
    library("torch", "raise ImportError('libcudart.so is missing')")
    words = ["doctor", "--out", str(tmp_path), "--data", f"faces={tmp_path / 'gone'}"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 1 and "this machine is not ready" in done.stdout
    assert "libcudart.so is missing" in done.stdout
    lines = [text for text in done.stdout.splitlines() if text.startswith(("  BROKEN", "  warning"))]
    assert len(lines) >= 2 and all("; " in text for text in lines)


@pytest.mark.slow
def test_the_machine_of_these_tests_is_ready(tmp_path):
    done = CliRunner().invoke(main, ["doctor", "--out", str(tmp_path / "results")])
    assert done.exit_code == 0, done.output
    assert "this machine is ready" in done.stdout and "learn2learn 0.2.0" in done.stdout
    assert not (tmp_path / "results").exists()
