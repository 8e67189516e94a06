"""What installs and imports where not everything is there: learn2learn, pip's index, what only Linux has."""

import subprocess
import sys

import pytest

from fer_meta import install_learn2learn
from fer_meta.install_learn2learn import InstallError, correct, main, unpack

# Other packages may use what Linux has; then it is gone.
NOT_LINUX = """
import os, signal, sys
import anny, distributed, filelock, learn2learn, matplotlib.pyplot, pandas, scipy.stats, sklearn.linear_model
import submitit, torchvision, tqdm, warp
sys.modules.update(fcntl=None, resource=None)
for name in ("fork", "sched_getaffinity", "posix_fallocate"):
    delattr(os, name) if hasattr(os, name) else None
for name in ("SIGKILL", "SIGHUP", "pthread_sigmask"):
    delattr(signal, name) if hasattr(signal, name) else None
sys.platform = "darwin"
"""

IMPORT_ALL = """
import importlib, pkgutil, fer_meta
for module in pkgutil.walk_packages(fer_meta.__path__, "fer_meta."):
    if not module.name.endswith("__main__"):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            assert error.name in ("mlflow", "wandb"), error  # extras that the tests do without
"""

RUN = """
from fer_meta.cli.main import main
main()
"""

NO_LEARN2LEARN = "import sys; sys.modules['learn2learn'] = None\n"


def run(code: str, *words: object) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True)


@pytest.mark.slow
def test_every_module_imports_and_a_bench_runs_without_what_only_linux_has(suite, trees, tmp_path):
    words = [
        "bench",
        "--suite",
        suite,
        "--data",
        f"day={trees / 'day'}",
        "--algorithms",
        "protonet",
        "--device",
        "cpu",
        "--out",
        tmp_path,
    ]
    done = run(NOT_LINUX + IMPORT_ALL + RUN, *words)
    assert done.returncode == 0 and "ProtoNet" in done.stdout, done.stderr


@pytest.mark.parametrize("words", [["--help"], ["data", "list"]])
def test_the_program_starts_without_learn2learn(words):
    done = run(NO_LEARN2LEARN + RUN, *words)
    assert done.returncode == 0 and not done.stderr


def test_a_bench_without_learn2learn_says_in_one_line_how_to_add_it(suite, trees, tmp_path):
    done = run(
        NO_LEARN2LEARN + RUN, "bench", "--suite", suite, "--data", f"day={trees / 'day'}", "--out", tmp_path
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("fer-meta: learn2learn cannot be imported") and line.endswith(
        f"{sys.executable} -m fer_meta.install_learn2learn"
    )


def test_without_an_index_the_installer_ends_with_one_line(monkeypatch):
    monkeypatch.setattr(install_learn2learn, "is_installed", lambda: False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(SystemExit) as stopped:
        main()
    assert (
        str(stopped.value)
        == "fer-meta: learn2learn could not be downloaded; is there a connection? (pip's own lines are above)"
    )


def test_another_archive_is_not_built(tmp_path):
    (tmp_path / "learn2learn-0.2.0.tar.gz").write_bytes(b"something else")
    with pytest.raises(InstallError, match="not learn2learn's release"):
        unpack(tmp_path / "learn2learn-0.2.0.tar.gz")
    assert len(list(tmp_path.iterdir())) == 1


def test_a_corrected_source_requires_nothing_that_is_not_used(tmp_path):
    (tmp_path / "learn2learn" / "data").mkdir(parents=True)
    (tmp_path / "learn2learn" / "data" / "transforms.c").touch()
    (tmp_path / "learn2learn" / "_version.py").write_text("__version__ = '0.2.0'\n")
    (tmp_path / "learn2learn" / "__init__.py").write_text("from . import gym\nfrom . import text\n")
    required = ["numpy>=1.15.4", "gym>=0.14.0", "gsutil", "qpth>=0.0.15"]
    (tmp_path / "setup.py").write_text(
        "install(install_requires=[\n" + "".join(f"        '{one}',\n" for one in required) + "])\n"
    )
    correct(tmp_path)
    setup = (tmp_path / "setup.py").read_text()
    assert "numpy" in setup and not any(name in setup for name in ("gym", "gsutil", "qpth"))
    assert "0.2.0+lean" in (tmp_path / "learn2learn" / "_version.py").read_text()
    assert not (tmp_path / "learn2learn" / "data" / "transforms.c").exists()


@pytest.mark.slow
@pytest.mark.skipif(
    not install_learn2learn.is_installed(), reason="another build of learn2learn is installed"
)
def test_learn2learn_imports_without_gym_and_says_what_its_gym_needs():
    done = run(
        "import sys; sys.modules['gym'] = None; import learn2learn; learn2learn.data.Taskset;"
        " learn2learn.gym.MetaEnv"
    )
    assert done.stderr.splitlines()[-1] == "ImportError: gym required. Try: pip install gym"
