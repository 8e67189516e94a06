"""Methods and networks of a user's own files in a stored model. Its folder may come from anybody: so a file
is run only if the user names it again.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch import nn

from fer_meta import plugins
from fer_meta.errors import FerMetaError
from fer_meta.methods import registry
from fer_meta.methods.base import FewShotMethod, TrainingConfig
from fer_meta.networks import backbones
from fer_meta.oneline import one_line
from fer_meta.records.model import ModelRecord


def own_parts(record: ModelRecord) -> dict[str, str]:
    """Which of "method" and "network" of a model are classes of a user's file, each in words; {} if all
    of it is the package's or an installed package's.
    """
    own = {}
    if record.method not in (*registry.built_in(), *plugins.installed(registry.GROUP)):
        own["method"] = f"method {one_line(record.method, 60)!r}"
    if plugins.is_file(record.backbone):
        own["network"] = f"network {one_line(record.backbone, 300)}"
    return own


def made_of(
    folder: Path, record: ModelRecord, code: Iterable[str] = ()
) -> tuple[type[FewShotMethod], TrainingConfig]:
    """The class of the method of a model in `folder`, and its settings. What is a user's own is taken from
    `code` (FILE.py:CLASS, of a method or a network): these files are run, and no others.

    Raises FerMetaError if `code` lacks a class of the model, or names one that is not the model's or whose
    file has changed since the training.
    """
    network = ""
    for word in code:
        kind = _class_of(word)
        if not issubclass(kind, FewShotMethod):
            network = word
        elif (name := registry.register_method(kind, word).name) != record.method:
            raise FerMetaError(f"--code {word}: is the method {name!r}; the model's is {record.method!r}")
    there = {"method": record.method in registry.names(), "network": bool(network)}
    missing = [words for part, words in own_parts(record).items() if not there[part]]
    if missing:
        raise FerMetaError(
            f"{folder}: its {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not part of"
            " fer-meta; give your file with --code FILE.py:CLASS (from Python: code=), which runs it"
        )
    if network and not plugins.is_file(record.backbone):
        raise FerMetaError(f"--code {network}: the network of the model is no class of yours; leave it out")
    method = registry.load(record.method)
    _check_unchanged(record, network)
    return method, _config(method, record, network)


def _class_of(word: str) -> type[nn.Module]:
    kind = plugins.from_file(word, nn.Module) if plugins.is_file(word) else None
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise FerMetaError(f"--code {word}: give FILE.py:CLASS, the class of a method or of a network")
    return kind


def _config(method: type[FewShotMethod], record: ModelRecord, network: str) -> TrainingConfig:
    settings: dict[str, Any] = dict(record.config)
    # The checkpoint replaces all weights: those that the training began from need not be here.
    settings |= {"weights": "none"} if "weights" in settings else {}
    if not network:
        return method.Config.model_validate(settings)
    config = method.Config.model_validate(settings | {"backbone": "conv4"})  # settings name no file
    return config.model_copy(update={"backbone": network})


def _check_unchanged(record: ModelRecord, network: str) -> None:
    """By the hashes in a bench's records. Other code would answer with the same weights, and otherwise."""
    then = record.identity.get("source"), record.identity.get("config", {}).get("backbone")
    now = registry.source_hash(record.method), backbones.source_hash(network) if network else None
    for what, before, hashed in zip(("method", "network"), then, now):
        if hashed and before and hashed != before:
            raise FerMetaError(
                f"the file of the {what} has changed since model {record.id} was trained; give the file as it"
                " was, or train again"
            )
