"""Builds and installs learn2learn: `python -m fer_meta.install_learn2learn`. It needs pip, a package index
and a C compiler.

pip alone cannot do it well: learn2learn's last release, 0.2.0, is a source archive

- whose C files, written by a Cython of 2020, do not compile on Python 3.11 and later: Cython writes them anew
  here;
- which requires gsutil, never imported, qpth, imported by its MetaOptNet head alone and under a guard, and
  gym, for its reinforcement learning. They bring some forty packages, and qpth holds numpy below 2: none is
  required here, and gym's import gets a guard like qpth's;
- which installs its tests as a top-level package `tests`: they are left out here.

Nothing else is changed. The result calls itself 0.2.0+lean: a local version, by which Python packages mark a
patched build.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

RELEASE = "0.2.0"
VERSION = f"{RELEASE}+lean"
SHA256 = "69f1d7cb0d0a6be7a2c6ad8e83e2ebbe70fb05e51d61e45e63078b40c75ea419"

BUILD_SYSTEM = """[build-system]
requires = ["setuptools>=77", "cython>=3"]
build-backend = "setuptools.build_meta"
"""

# By file: the old text and the new one. SHA256 guarantees the old one.
EDITS = {
    "setup.py": {
        "use_cython = 'develop' in sys.argv or 'build_ext' in sys.argv": "use_cython = True",
        "find_packages()": "find_packages(include=['learn2learn', 'learn2learn.*'])",
        "    setup_requires=['cython>=0.28.5', ],\n": "",
        "        'gym>=0.14.0',\n": "",
        "        'gsutil',\n": "",
        "        'qpth>=0.0.15',\n": "",
    },
    "learn2learn/_version.py": {f"'{RELEASE}'": f"'{VERSION}'"},
    "learn2learn/__init__.py": {
        "from . import gym\n": (
            "try:\n"
            "    from . import gym\n"
            "except ImportError:\n"
            "    from .utils import _ImportRaiser\n"
            "    gym = _ImportRaiser('gym', 'pip install gym')\n"
        )
    },
}


class InstallError(Exception):
    """One line: what could not be done, and the fix."""


def main() -> None:
    """Install learn2learn into this Python's environment, unless it is there; ends with one line on standard
    error if that fails.
    """
    try:
        if not is_installed():
            install()
    except InstallError as error:
        sys.exit(f"fer-meta: {error}")
    print(f"learn2learn {VERSION} is installed")


def is_installed() -> bool:
    """Whether this environment has the very build that is made here."""
    try:
        return metadata.version("learn2learn") == VERSION
    except metadata.PackageNotFoundError:
        return False


def install() -> None:
    """Fetch, correct, build and install. Raises InstallError."""
    if find_spec("pip") is None:
        raise InstallError(f"this environment has no pip; add it: {sys.executable} -m ensurepip")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _pip(
            "learn2learn could not be downloaded; is there a connection?",
            "download",
            "--no-deps",
            "--no-binary",
            "learn2learn",
            "--dest",
            folder,
            f"learn2learn=={RELEASE}",
        )
        source = unpack(folder / f"learn2learn-{RELEASE}.tar.gz")
        correct(source)
        _pip(
            "learn2learn could not be built; is there a C compiler (gcc, clang, MSVC) and are Python's"
            " headers (python3-dev) there?",
            "wheel",
            "--no-deps",
            "--wheel-dir",
            folder,
            source,
        )
        _pip(
            "learn2learn could not be installed", "install", "--find-links", folder, f"learn2learn=={VERSION}"
        )


def unpack(archive: Path) -> Path:
    """The folder that the archive holds, unpacked beside it. Raises InstallError if it is not the release of
    SHA256.
    """
    if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
        raise InstallError(
            f"what the package index gave as {archive.name} is not learn2learn's release (its SHA-256"
            " differs); use another index"
        )
    shutil.unpack_archive(archive, archive.parent)
    return archive.with_name(f"learn2learn-{RELEASE}")


def correct(source: Path) -> None:
    """Apply EDITS, drop the old C files, and say what a build needs."""
    for name, edits in EDITS.items():
        path = source / name
        text = path.read_text(encoding="utf-8")
        for old, new in edits.items():
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")
    for path in source.glob("learn2learn/**/*.c"):
        path.unlink()
    (source / "pyproject.toml").write_text(BUILD_SYSTEM, encoding="utf-8")


def _pip(failure: str, command: str, *arguments: object) -> None:
    """Run pip, which is heard only if it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", command, "--quiet", *map(str, arguments)],
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode:
        print(done.stdout, done.stderr, sep="", file=sys.stderr)
        raise InstallError(f"{failure} (pip's own lines are above)")


if __name__ == "__main__":
    main()
