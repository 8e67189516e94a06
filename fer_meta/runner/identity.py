"""The identities that name the folders of models and runs.

An identity holds scientific fields alone: the same method, images, protocol and seed have the same identity
on every machine, whatever the paths, the device or the number of workers.

A result keeps its name when a field is added to the settings: a field that is younger than the first results
is declared with `Field(default, json_schema_extra={"since": VERSION})`, and counts only where its value is
not the default.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from fer_meta.methods import registry
from fer_meta.methods.base import NetworkConfig, SupervisedConfig, TrainingConfig
from fer_meta.networks import backbones
from fer_meta.networks.dlib_face import files_beside
from fer_meta.networks.weights import NAMED
from fer_meta.runner.settings import Setting
from fer_meta.suites.schema import Suite
from fer_meta.training.batches import step_count

# Raised when a change of code changes numbers: results of an older version are then not taken for new ones.
CODE_VERSION = 3


def scientific(settings: BaseModel) -> dict[str, Any]:
    """The fields of `settings` that count, as JSON, by the names of the first results (the alias of a field
    that was renamed): all but the young ones that have their default value.
    """
    counted = {}
    for name, value in settings.model_dump(mode="json").items():
        field, own = type(settings).model_fields[name], getattr(settings, name)
        extra = field.json_schema_extra
        young = isinstance(extra, dict) and "since" in extra
        if not young or own != field.get_default(call_default_factory=True):
            counted[field.serialization_alias or name] = _part(own, value)
    return counted


def _part(own: Any, dumped: Any) -> Any:
    """The value of a field, which may hold settings of its own."""
    if isinstance(own, BaseModel):
        return scientific(own)
    if isinstance(own, Mapping):
        return {key: _part(one, value) for one, (key, value) in zip(own.values(), dumped.items())}
    return dumped


def model_identity(suite: Suite, method: str, settings: TrainingConfig, setting: Setting, seed: int) -> dict:
    """What makes a training."""
    # Precision is the machine's. The first results made in fp32 keep their names; those of a version that
    # named bf16 are made again.
    config = {**scientific(settings), "precision": "fp32"}
    for word in ("method", "label"):  # what a suite calls the settings
        config.pop(word, None)
    if config.get("weights", "none") not in NAMED:
        config["weights"] = _file_hash(Path(config["weights"]))
    if isinstance(settings, NetworkConfig):
        # The stem that the network gets counts, not the word for it; the first results had the large one.
        config.pop("stem", None)
        if backbones.stem_for(settings.backbone, settings.stem, suite.image_size) == "small":
            config["stem"] = "small"
        config |= own_network(settings)
    if isinstance(settings, SupervisedConfig) and settings.max_epochs is None and not suite.budget:
        # The first results had 60 passes at most: the same training where these do not stop it.
        capped = settings.model_copy(update={"max_epochs": 60})
        if step_count(registry.load(method), capped, setting.train) == settings.steps:
            config["max_epochs"] = 60
    source = registry.source_hash(method)
    protocol, seconds = setting.protocol, suite.budget and settings.steps and suite.budget.seconds
    return {
        **({"source": source} if source else {}),  # of a method from outside
        # A budget of images is in the steps of `config`.
        **({"seconds": seconds} if seconds else {}),
        "code": CODE_VERSION,
        "algorithm": method,  # the first results called it so
        "config": config,
        "image_size": suite.image_size,
        "train": scientific(protocol.train),
        "validation": scientific(protocol.validation),
        "batchnorm": protocol.batchnorm_on_source,
        "train_images": setting.train.digest,
        "val_images": setting.source_val.digest,
        "seed": seed,
    }


def own_network(settings: TrainingConfig) -> dict[str, str]:
    """The `backbone` of settings that have a network of the user's own: the hash of its file in place of its
    name; {} for all others.
    """
    own = backbones.source_hash(settings.backbone) if isinstance(settings, NetworkConfig) else None
    return {"backbone": own} if own else {}


def run_identity(suite: Suite, model: dict, setting: Setting) -> dict:
    """What makes a run of a model (its identity)."""
    return {
        "model": model,
        "way": setting.protocol.way,
        "queries": setting.protocol.queries,
        "selection": list(suite.selection),
        # Both are younger than the first results.
        **({"readouts": list(suite.readouts)} if suite.readouts else {}),
        **({"batchnorm": "target"} if setting.protocol.batchnorm == "target" else {}),
        "test_images": setting.test.digest,
        "target_val_images": setting.val.digest if setting.val is not None else None,
        "support_images": setting.support.pool.digest if setting.support else setting.test.digest,
        "episodes": {str(shots): episodes_hash(setting, shots) for shots in setting.episodes},
    }


def bench_hashes(suite: Suite, as_written: Suite, **given) -> dict[str, str]:
    """What tells the report whose command shows a run that is not in the plan.

    `suite_hash` is of the suite as its file has it (`as_written`) and of this version; `settings_hash` of all
    that the runs of one plan share: the suite without its seeds, methods, experiments and divisions, of which
    a bench may take only some, and what else was `given`.
    """
    own = {"seeds", "algorithms", "experiments", "divisions"}
    shared = {name: value for name, value in scientific(suite).items() if name not in own}
    return {
        "suite_hash": short_hash({"code": CODE_VERSION, "suite": scientific(as_written)}),
        "settings_hash": short_hash({"code": CODE_VERSION, "suite": shared, **given}),
    }


def episodes_hash(setting: Setting, shots: int) -> str:
    """A hash of a setting's episodes by place in their pools."""
    support = (setting.support or setting.query).pool
    return setting.episodes[shots].hash_in(support, setting.test)


def short_hash(identity: dict) -> str:
    """Eight hexadecimal digits of an identity."""
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()


def _file_hash(path: Path) -> str:
    if not path.is_file():  # loading it will say so, in the run that needs it
        return path.name
    digest = hashlib.blake2b(digest_size=8)
    for one in (path, *files_beside(path)):
        with one.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return f"file:{digest.hexdigest()}"
