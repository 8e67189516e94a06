"""A model of the Hugging Face hub on this machine."""

import os
from pathlib import Path

from fer_meta.errors import ResultsError
from fer_meta.hub.library import library
from fer_meta.plugins import is_file
from fer_meta.records.model import MODEL, read_model

PREFIX = "hf:"
_FILES = ["model.json", "origin.json", "history.jsonl", "checkpoints/*.safetensors"]


def is_on_hub(model: str | Path) -> bool:
    """Whether a model is given as hf:USER/NAME or hf:USER/NAME@REVISION."""
    return str(model).startswith(PREFIX)


def fetched(model: str | Path) -> Path:
    """The folder of a model of the hub, in the cache of huggingface_hub; what lies there already is not
    downloaded again. Only weights, as safetensors, and JSON are downloaded, and nothing in them is run.

    Raises ResultsError for a repository that the hub does not have or give, or that is no model of fer-meta;
    MachineError if the hub cannot be reached.
    """
    repo, _, revision = str(model).removeprefix(PREFIX).partition("@")
    page = f"https://huggingface.co/{repo}"
    with library(
        page, what="model", command="predict", revision=revision or "main", refused=ResultsError
    ) as hub:
        folder = Path(hub.snapshot_download(repo, revision=revision or None, allow_patterns=_FILES))
    if not (folder / MODEL).exists():
        raise ResultsError(f"{page}: is no model of fer-meta: it has no {MODEL}")
    record = read_model(folder)
    for word in (record.method, record.backbone):
        if is_file(word):
            raise ResultsError(f"{page}: names a Python file ({os.path.basename(word)}), which is not run")
    return folder
