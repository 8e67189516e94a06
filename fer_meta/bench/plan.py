"""From a suite and divided domains to the runs it asks for, each with the identity that names its folder.

An identity holds scientific fields alone: the same method, images, protocol and seed have the same identity on every machine, whatever
the paths, the device or the number of workers.
"""

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_meta.errors import SuiteError
from fer_meta.suites.schema import Suite
from fer_meta.tasks.episodes import draw, fingerprint
from fer_meta.tasks.pools import Domain, Pool, restrict

# Raised when a change of code changes numbers: results of an older version are then not taken for new ones.
CODE_VERSION = 1

# Episodes belong to the suite, not to a run: every method and every seed is scored on the same ones.
EPISODE_SEED = "evaluation/0"


@dataclass(frozen=True)
class Model:
    """One training: a method, a source and a seed."""

    algorithm: str
    source: str
    seed: int
    identity: dict

    @property
    def id(self) -> str:
        return f"{self.algorithm}-{self.source}-seed{self.seed}-{short_hash(self.identity)}"


@dataclass(frozen=True)
class Run:
    """One row of the plan: a model, and the target it is tested on."""

    model: Model
    target: str
    identity: dict

    @property
    def id(self) -> str:
        model = self.model
        return f"{model.algorithm}-{model.source}-to-{self.target}-seed{model.seed}-{short_hash(self.identity)}"


@dataclass(frozen=True)
class Target:
    """What a source's models are tested on: the target's images of the classes that both have, and the fixed episodes."""

    test: Pool
    val: Pool
    episodes: dict[int, np.ndarray]  # shots -> [E, way, shots + queries]


def source_names(suite: Suite, domains: Collection[str]) -> list[str]:
    """The names of the domains that are trained on. Raises SuiteError if the suite names one that is not among `domains`."""
    chosen = list(domains if suite.sources is None else suite.sources)
    missing = [name for name in chosen if name not in domains]
    if missing:
        raise SuiteError(f"{suite.name} trains on '{missing[0]}', which is not among the domains ({', '.join(domains)}); "
                         "name it in --domains too, or give other --sources")
    return chosen


def make_targets(suite: Suite, domains: dict[str, Domain]) -> dict[tuple[str, str], Target]:
    """`(source, target) -> Target` for every transfer of the suite. Raises ProtocolError if one has too few common classes."""
    protocol = suite.protocol
    targets, drawn = {}, {}  # most sources share a target's images, and so its episodes
    for source in map(domains.get, source_names(suite, domains)):
        for target in domains.values():
            if source is target and not suite.within:
                continue
            test = restrict(target.test, source.train.classes, target.index, protocol.way)
            val = restrict(target.val, source.train.classes, target.index, protocol.validation.way)
            if (target.name, test.digest) not in drawn:
                drawn[target.name, test.digest] = {
                    shots: draw(test, protocol.test_shape(shots), protocol.episodes, EPISODE_SEED) for shots in protocol.shots
                }
            targets[source.name, target.name] = Target(test, val, drawn[target.name, test.digest])
    return targets


def make_plan(suite: Suite, domains: dict[str, Domain], targets: dict[tuple[str, str], Target]) -> list[Run]:
    """Every run of the suite, the runs of one model one after the other."""
    runs = []
    for source in map(domains.get, source_names(suite, domains)):
        for algorithm in suite.algorithms:
            for seed in suite.seeds:
                model = Model(algorithm, source.name, seed, _model_identity(suite, algorithm, source, seed))
                runs += [
                    Run(model, target, _run_identity(suite, model, targets[source.name, target]))
                    for (name, target) in targets
                    if name == source.name
                ]
    return runs


def short_hash(identity: dict) -> str:
    """Eight hexadecimal digits of an identity."""
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()


def _model_identity(suite: Suite, algorithm: str, source: Domain, seed: int) -> dict:
    config = suite.algorithms[algorithm].model_dump(mode="json")
    if config.get("weights", "none") not in ("none", "imagenet"):
        config["weights"] = _file_hash(Path(config["weights"]))
    protocol = suite.protocol
    return {
        "code": CODE_VERSION,
        "algorithm": algorithm,
        "config": config,
        "image_size": suite.image_size,
        "train": protocol.train.model_dump(),
        "validation": protocol.validation.model_dump(),
        "disjoint": protocol.disjoint,
        "batchnorm": protocol.batchnorm,
        "train_images": source.train.digest,
        "val_images": source.val.digest,
        "seed": seed,
    }


def _run_identity(suite: Suite, model: Model, target: Target) -> dict:
    return {
        "model": model.identity,
        "way": suite.protocol.way,
        "queries": suite.protocol.queries,
        "selection": list(suite.selection),
        "test_images": target.test.digest,
        "target_val_images": target.val.digest,
        "episodes": {str(shots): fingerprint(_positions(target, shots)) for shots in target.episodes},
    }


def _positions(target: Target, shots: int) -> np.ndarray:
    """Episodes by place in the pool: rows of the data set would change with images that are in no pool."""
    return np.searchsorted(target.test.rows, target.episodes[shots])


def _file_hash(path: Path) -> str:
    if not path.exists():  # loading it will say so, in the run that needs it
        return path.name
    digest = hashlib.blake2b(digest_size=8)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return f"file:{digest.hexdigest()}"
