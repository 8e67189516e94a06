"""Whether what fer-meta needs is installed, in versions that go together."""

import platform
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import fer_meta
from fer_meta.commands import command, pip_install, with_extra
from fer_meta.doctor import Asked
from fer_meta.doctor.findings import Finding, broken, looked_at, note, ok, warning
from fer_meta.install_learn2learn import RELEASE, VERSION

if TYPE_CHECKING:
    from packaging.requirements import Requirement

PACKAGE = "fer-meta"
EXTRAS = {
    "video": "films and photographs to aligned faces, `fer-meta data prepare`",
    "hub": "the Hugging Face hub: `fer-meta data get`, `fer-meta upload`",
    "timm": "the backbones timm/NAME",
    "dask": "a cluster's processes, `--executor dask`",
    "slurm": "a cluster's queue, `--executor slurm`",
    "fabric": "one model on several GPUs, `--devices-per-model`",
    "tensorboard": "trainings in TensorBoard, `--track tensorboard`",
    "mlflow": "trainings in MLflow, `--track mlflow`",
    "wandb": "trainings in Weights & Biases, `--track wandb`",
    "excel": "tables that are .xls files, of which CFEE's is one",
}
_PYTHON = command(sys.executable)
_INSTALLER = f"{_PYTHON} -m fer_meta.install_learn2learn"


def findings(asked: Asked) -> Iterator[Finding]:
    """Versions, the required packages, the extras, and whether torch and learn2learn can be imported."""
    yield ok(f"fer-meta {fer_meta.__version__}, Python {platform.python_version()} ({sys.executable})")
    if find_spec("packaging") is None:
        yield broken(
            "packaging, which comes with matplotlib, is not installed", f"run: {pip_install('packaging')}"
        )
    else:
        yield from looked_at("the required packages", package_findings)
        yield from looked_at("the extras", extra_findings)
    torch = asked.torch.facts
    yield from torch_findings(torch)
    yield from learn2learn_findings(asked.learn2learn.facts, version_of("learn2learn"), torch)


def torch_findings(facts: dict) -> Iterator[Finding]:
    """Whether torch can be imported here."""
    if "version" in facts:
        yield ok(f"torch {facts['version']}, torchvision {version_of('torchvision') or 'not installed'}")
    else:
        yield broken(
            f"torch cannot be imported ({facts.get('error', 'it says nothing')})",
            f"install it again: {pip_install('--force-reinstall', 'torch', 'torchvision')}",
        )


def learn2learn_findings(facts: dict, version: str | None, torch: dict) -> Iterator[Finding]:
    """Whether learn2learn is there, in a build that works, and can be imported."""
    refused = facts.get("refused") or facts.get("error")
    if version is None:
        yield broken("learn2learn is not installed", f"run: {_INSTALLER}")
    elif refused and "version" not in torch:
        yield note(f"learn2learn {version} cannot be imported, for torch cannot")
    elif refused:
        yield broken(
            f"learn2learn {version} cannot be imported ({refused})",
            f"unless a line above says why, run: {_PYTHON} -m pip uninstall -y learn2learn && {_INSTALLER}",
        )
    elif version == VERSION:
        yield ok(f"learn2learn {version}")
    elif version.partition("+")[0] == RELEASE:
        yield ok(f"learn2learn {version} (another build than fer-meta's own, {VERSION}; it works too)")
    else:
        yield warning(
            f"learn2learn {version} is not the release {RELEASE} that was tested", f"run: {_INSTALLER}"
        )


def package_findings() -> Iterator[Finding]:
    """The packages that setup.cfg requires, read from what was installed of it."""
    version = version_of(PACKAGE)
    if version is None:
        yield warning(
            "fer-meta runs from a folder and is not installed: it is not known which packages it requires",
            f"run: {_itself()}",
        )
        return
    if version != fer_meta.__version__:
        yield warning(
            f"fer-meta {fer_meta.__version__} runs, and version {version} is what was installed",
            f"what it requires may have changed; run: {_itself()}",
        )
    required = list(requirements(PACKAGE))
    faults = {str(one): fault for one in required if (fault := fault_of(one))}
    for one, fault in faults.items():
        yield broken(fault, f"run: {pip_install(one)}")
    if not faults:
        yield ok(f"the {len(required)} required packages, each in a version that fits")
    yield from _among_each_other(required)


def _among_each_other(required: Iterable["Requirement"]) -> Iterator[Finding]:
    """What required packages ask of others that are installed in another version: torchvision, above all,
    goes with one torch alone.
    """
    for one in required:
        for other in requirements(one.name):
            if version_of(other.name) is not None and (fault := fault_of(other)):
                yield warning(
                    f"{fault}, by {one.name} {version_of(one.name)}", f"run: {pip_install(str(other))}"
                )


def extra_findings() -> Iterator[Finding]:
    """Which extras are there, and how the others are added."""
    for extra, purpose in EXTRAS.items():
        wanted = list(requirements(PACKAGE, extra))
        faults = [fault for one in wanted if (fault := fault_of(one))]
        if wanted and not faults:
            yield ok(f"extra {extra}: {purpose}")
        elif wanted:
            yield note(f"extra {extra} ({purpose}): {'; '.join(faults)}", f"to add it: {with_extra(extra)}")


def requirements(package: str, extra: str = "") -> Iterator["Requirement"]:
    """What an installed package requires on this machine; with `extra`, what that adds to it. Without
    markers and extras.
    """
    # Not listed in setup.cfg: it comes with matplotlib, which is.
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        lines = metadata.requires(package) or ()
    except metadata.PackageNotFoundError:
        return
    for line in lines:
        try:
            one = Requirement(line)
        except InvalidRequirement:  # of an old package: pip passes over it too
            continue
        plain, wanted = (not one.marker or one.marker.evaluate({"extra": name}) for name in ("", extra))
        if wanted and plain == (not extra):
            one.marker = None
            yield one


def fault_of(required: "Requirement") -> str | None:
    """That a package is not installed or has a version that does not fit, in words; None if all is well."""
    found = version_of(required.name)
    if found is None:
        return f"{required.name} is not installed"
    try:
        # A release candidate of a fitting version fits.
        if required.specifier.contains(found, prereleases=True):
            return None
    except ValueError:  # that is no version
        pass
    return f"{required.name} is installed as {found}, and {required.specifier} is asked for"


def version_of(package: str) -> str | None:
    """The installed version; None if the package is not there, or its notes are damaged."""
    try:
        return metadata.version(package) or None
    except (metadata.PackageNotFoundError, KeyError):
        return None


def _itself() -> str:
    """How fer-meta is installed from its clone."""
    root = Path(fer_meta.__file__).parents[1]
    return pip_install("-e", str(root) if (root / "setup.cfg").is_file() else "CLONE")
