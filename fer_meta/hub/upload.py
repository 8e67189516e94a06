"""A trained model as a repository of the Hugging Face hub: weights, facts and a page."""

import re
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from fer_meta import __version__
from fer_meta.commands import value_of, with_option
from fer_meta.errors import FerMetaError, ResultsError
from fer_meta.fileio import write_text
from fer_meta.hub.library import library
from fer_meta.hub.licences import ADVICE, is_licence
from fer_meta.networks.weights import NAMED
from fer_meta.prediction.cautions import cautions, learned, results_of
from fer_meta.prediction.own_code import own_parts
from fer_meta.prediction.stored import StoredModel, model_folder, open_model
from fer_meta.records.history import HISTORY, read_history
from fer_meta.records.model import ModelRecord, read_model, write_model
from fer_meta.records.origin import Origin, Tested, write_origin
from fer_meta.records.plan import read_plan
from fer_meta.records.run import commit_of
from fer_meta.report.one_training import scores_of
from fer_meta.training.checkpoints import snapshots

PAGE = "https://huggingface.co/{}"
_REPO = re.compile("[A-Za-z0-9][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9][A-Za-z0-9_.-]{0,95}")


class Uploaded(NamedTuple):
    """The address of a model's page, whether it is private, and the `cautions` of its card."""

    page: str
    private: bool
    cautions: list[str]


def prepare(model: Path, repo: str, licence: str, folder: Path) -> list[str]:
    """Write what an upload would hold into `folder`, which is made: README.md, model.json, origin.json,
    history.jsonl and the checkpoints that its readouts use. Returns the `cautions` of its card.

    Raises FerMetaError for a name or a licence that the hub would refuse, for a folder that is not empty, for
    a method or a network of the user's own file, which nobody else could load, and ResultsError for a folder
    that holds no whole model.
    """
    if not _REPO.fullmatch(repo):
        raise FerMetaError(f"{repo}: is no name on the hub; give USER/NAME, such as anna/protonet-fer")
    if not is_licence(licence):
        raise FerMetaError(f"{licence}: is no licence of the hub; give one {ADVICE}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FerMetaError(f"{folder}: is not empty; give another --out")
    if own := own_parts(read_model(model_folder(model))):
        raise FerMetaError(
            f"{model}: cannot be uploaded: its {' and '.join(own.values())} would be missing where it is"
            " downloaded, and no code of a hub is run; put the method into an installed package"
            " (docs/extending.md), or share your file and a bundle (`fer-meta export --models`)"
        )
    opened = open_model(model, torch.device("cpu"))
    with library(PAGE.format(repo), what="model", command="upload", action="upload"):
        from fer_meta.hub.card import card  # its facts are huggingface_hub's
    record, origin = _public(opened.record), _origin(opened)
    page = card(repo, licence, record, origin)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _copy_weights(opened, folder)
        shutil.copyfile(opened.folder / HISTORY, folder / HISTORY)
        write_model(folder, record)
        write_origin(folder, origin)
        write_text(folder / "README.md", page)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return cautions(origin)


def _copy_weights(model: StoredModel, folder: Path) -> None:
    """The checkpoints that readouts use: the picked ones, and the last for those that were not validated."""
    there = snapshots(model.folder)
    (folder / "checkpoints").mkdir()
    for step in {*model.selected.values(), max(there)}:
        shutil.copyfile(there[step], folder / "checkpoints" / there[step].name)


def upload(model: Path, repo: str, licence: str, public: bool) -> Uploaded:
    """Upload a model into `repo` (user/name), which is made if it is not there: private unless `public`. A
    repository that was there stays private or public as it is.

    Raises FerMetaError as `prepare` does, if nobody is logged in, if the hub refuses, and if the repository
    is public already and `public` is not given; MachineError if the hub cannot be reached.
    """
    page = PAGE.format(repo)
    with tempfile.TemporaryDirectory(prefix="fer-meta-") as temporary:
        folder = Path(temporary) / "model"
        cautions = prepare(model, repo, licence, folder)
        with library(page, what="model", command="upload", action="upload") as hub:
            if hub.get_token() is None:
                raise FerMetaError("nobody is logged in to the hub; run `hf auth login`, or set HF_TOKEN")
            api = hub.HfApi()
            api.create_repo(repo, private=not public, exist_ok=True)
            private = bool(api.model_info(repo).private)
            if not (private or public):
                raise FerMetaError(f"{page}: is public; give --public if all may see this model")
            api.upload_folder(
                repo_id=repo,
                folder_path=folder,
                commit_message=f"{read_model(folder).id}, by fer-meta {__version__}",
                delete_patterns="checkpoints/*",  # of a model that was there before
            )
    return Uploaded(page, private, cautions)


def _public(record: ModelRecord) -> ModelRecord:
    """The record without names of the user's files: of the initial weights, the file's name alone stays."""
    weights = str(record.config.get("weights", "none"))
    if weights in NAMED:
        return record
    config = record.config | {"weights": Path(weights).name}
    return record.model_copy(update={"config": config, "identity": {}})


def _origin(model: StoredModel) -> Origin:
    """Where a model comes from, as its results folder says; little is known of one that has none."""
    results, log = results_of(model), read_history(model.folder)
    last = log[-1] if log else {}
    origin = Origin(
        version=__version__,
        steps=last.get("step"),
        images=last.get("images"),
        seconds=last.get("train_seconds"),
    )
    if results is None:
        return origin
    plan = read_plan(results)
    runs = [run for run in plan.runs if run.model == model.record.id]
    if not runs:
        return origin
    return origin.model_copy(
        update={
            "source": runs[0].source,
            "rendered": plan.rendered,
            "suite": plan.suite,
            "preset": plan.preset,
            "command": _without_places(plan.command),
            "commit": commit_of(results, [run.id for run in runs]),
            "tests": _tests(results, model.record.id),
            "learned": learned(results, model.record.id),
        }
    )


def _without_places(text: str) -> str:
    """A command without the folders of the user's files."""
    for option in ("--suite", "--weights"):
        if value := value_of(text, option):
            text = with_option(text, option, Path(value).name)
    return with_option(text, "--out", None)


def _tests(results: Path, model: str) -> list[Tested]:
    try:
        rows = scores_of(results, model).replace({np.nan: None}).to_dict("records")
    except ResultsError as error:
        raise ResultsError(f"{error}; a model is uploaded when it is tested") from None
    return [Tested.model_validate(row) for row in rows]
