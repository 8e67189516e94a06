"""From a plan to results on disk: train what is not trained, score what is not scored, go on after a failure."""

import errno
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from fer_meta import algorithms, training
from fer_meta.algorithms.base import FewShotMethod
from fer_meta.bench.environment import environment, peak_memory_mb
from fer_meta.bench.plan import Model, Run, Target
from fer_meta.datasets.base import Rendered
from fer_meta.datasets.synthetic.anatomy import bayes_accuracy, bayes_episode_accuracy
from fer_meta.errors import FerMetaError, ResultsError
from fer_meta.evaluation.episodes import classify_all, embedder, score_episodes
from fer_meta.files import replacing, write_json, write_text
from fer_meta.suites.schema import Suite
from fer_meta.tasks.episodes import draw
from fer_meta.tasks.pools import Domain, Pool, restrict

# The validation episodes of a pool, the same for every method, seed and checkpoint.
VALIDATION_SEED = "validation/0"


@dataclass
class Bench:
    """What every run of a bench shares."""

    suite: Suite
    domains: dict[str, Domain]
    targets: dict[tuple[str, str], Target]
    folder: Path  # results/<suite>
    device: torch.device
    show: Callable[[str, int], object]  # (label, total) -> a tqdm bar
    rendered: dict[str, Rendered] = field(default_factory=dict)  # the domains that are no photographs
    failed_models: dict[str, str] = field(default_factory=dict)

    def run_folder(self, run: Run) -> Path:
        return self.folder / "runs" / run.id

    def model_folder(self, model: Model) -> Path:
        return self.folder / "models" / model.id

    def is_done(self, run: Run) -> bool:
        return (self.run_folder(run) / "DONE").exists()


def execute(bench: Bench, run: Run) -> str | None:
    """Do one run and leave DONE or FAILED.json in its folder; returns the error's line if it failed.

    An interrupt passes through, and so does a full disk: no other run could write its results either.
    """
    folder = bench.run_folder(run)
    (folder / "FAILED.json").unlink(missing_ok=True)
    try:
        _execute(bench, run, folder)
        return None
    except Exception as error:
        if _disk_is_full(error):
            raise ResultsError(f"{bench.folder}: no space left on the device; free some and run the same command again") from error
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        line = line if isinstance(error, FerMetaError) else f"{type(error).__name__}: {line}"
        write_json(folder / "FAILED.json", {"error": line, "traceback": traceback.format_exc()})
        return line


def _disk_is_full(error: Exception) -> bool:
    """safetensors and torch.save say it in words of their own."""
    words = "No space left on device", "file write failed"
    return getattr(error, "errno", None) == errno.ENOSPC or any(part in str(error) for part in words)


def _execute(bench: Bench, run: Run, folder: Path) -> None:
    model, suite, protocol = run.model, bench.suite, bench.suite.protocol
    target = bench.targets[model.source, run.target]
    began = time.perf_counter()
    method = new_method(bench, model)
    _train(bench, model, method)
    trained = time.perf_counter()
    selected, oracle_scores = _select(bench, run, method, target)
    episodes, confusions, predictions = [], [], []
    for step in sorted(set(selected.values())):
        names = [name for name, chosen in selected.items() if chosen == step]
        training.load_snapshot(method, training.snapshots(bench.model_folder(model))[step])
        scores, confusion, whole = _score(bench, run, method, target, "/".join(names))
        for name in names:
            episodes.append(scores.assign(selection=name))
            confusions.append(confusion.assign(selection=name))
            predictions.append(whole.assign(selection=name))
    _write_table(folder / "episodes.parquet", episodes)
    _write_table(folder / "confusion.parquet", confusions)
    if any(len(table) for table in predictions):
        _write_table(folder / "predictions.parquet", predictions)
    finished = time.perf_counter()
    write_json(folder / "run.json", {
        "id": run.id,
        "suite": suite.name,
        "preset": suite.preset,
        "algorithm": model.algorithm,
        "source": model.source,
        "target": run.target,
        "seed": model.seed,
        "model": model.id,
        "identity": run.identity,
        "config": suite.algorithms[model.algorithm].model_dump(mode="json"),
        "protocol": protocol.model_dump(mode="json"),
        "image_size": suite.image_size,
        "classes": list(target.test.classes),
        "excluded": target.test.excluded,
        "excluded_from_training": bench.domains[model.source].train.excluded,
        "copies_removed": target.test.copies_removed,
        "train_images": len(bench.domains[model.source].train),
        "test_images": len(target.test),
        "selected": selected,
        "target_val_accuracy": oracle_scores,
        "environment": environment(bench.device),
        "timings": {"train_s": round(trained - began, 2), "evaluate_s": round(finished - trained, 2)},
        "peak_memory_mb": peak_memory_mb(bench.device),
    })
    write_text(folder / "DONE", "")


def new_method(bench: Bench, model: Model) -> FewShotMethod:
    """The untrained method of a model, on the bench's device."""
    module, config = algorithms.load(model.algorithm), bench.suite.algorithms[model.algorithm]
    classes = bench.domains[model.source].train.classes
    return training.build(module, config, bench.suite.protocol, classes, bench.suite.image_size, model.seed, bench.device)


def _train(bench: Bench, model: Model, method: FewShotMethod) -> None:
    """Train `method` unless its folder says that this is done. A training that failed is not tried again for the next target."""
    folder, domain = bench.model_folder(model), bench.domains[model.source]
    if (folder / "DONE").exists():
        return
    if model.id in bench.failed_models:
        raise FerMetaError(bench.failed_models[model.id])
    write_json(folder / "model.json", {"id": model.id, "identity": model.identity})
    config = bench.suite.algorithms[model.algorithm]
    steps, batch_at = training.batches(method, config, domain, bench.suite.protocol, model.seed, bench.device)
    val = restrict(domain.val, domain.train.classes, domain.index, bench.suite.protocol.validation.way)
    validate = _validator(bench, method, domain.images, val)
    try:
        with bench.show("train", steps) as bar:
            def progress(done, accuracy, validation):
                bar.update(done - bar.n)
                bar.set_postfix_str(f"train acc {accuracy:.3f}, val acc {validation:.3f}", refresh=False)

            training.fit(method, config, steps, batch_at, validate, folder, progress)
    except Exception as error:
        bench.failed_models[model.id] = str(error)
        raise
    write_text(folder / "DONE", "")
    (folder / "resume.pt").unlink(missing_ok=True)


def _validator(bench: Bench, method: FewShotMethod, images: np.ndarray, pool: Pool) -> Callable[[], float]:
    """The accuracy that chooses a checkpoint: on `pool`'s fixed validation episodes, or by the own head on all its images."""
    shape, batchnorm = bench.suite.protocol.validation, bench.suite.protocol.batchnorm
    episodes = draw(pool, shape, shape.episodes, VALIDATION_SEED) if method.episodic else None

    def validate() -> float:
        if episodes is None:
            return float((classify_all(method, images, pool, bench.device) == pool.labels).mean())
        embed = embedder(method, images, pool, batchnorm, bench.device)
        return float(score_episodes(method, embed, pool, episodes, shape.shots, batchnorm)[0]["accuracy"].mean())

    return validate


def _select(bench: Bench, run: Run, method: FewShotMethod, target: Target) -> tuple[dict[str, int], dict[str, float]]:
    """The training step that each selection rule picks, and the target-val accuracies that the oracle looked at.

    `source-val`: best on the source's val; `last`: the last; `oracle`: best on the target's val. Ties go to the earlier step.
    """
    folder = bench.model_folder(run.model)
    steps = training.snapshots(folder)
    source_val = {row["step"]: row["val_accuracy"] for row in training.read_history(folder) if "val_accuracy" in row}
    target_val = {}
    if "oracle" in bench.suite.selection:
        if run.model.source == run.target:
            target_val = source_val
        else:
            validate = _validator(bench, method, bench.domains[run.target].images, target.val)
            with bench.show("oracle", len(steps)) as bar:
                for step, path in steps.items():
                    training.load_snapshot(method, path)
                    target_val[step] = validate()
                    bar.update()
    picks = {"source-val": source_val, "last": {max(steps): 1.0}, "oracle": target_val}
    selected = {name: max(picks[name], key=picks[name].get) for name in bench.suite.selection}
    return selected, {str(step): value for step, value in target_val.items()}


def _score(bench: Bench, run: Run, method: FewShotMethod, target: Target, label: str):
    """One checkpoint on the target's test images: episode scores, confusion counts, and each image once by the own head."""
    images, batchnorm = bench.domains[run.target].images, bench.suite.protocol.batchnorm
    embed = embedder(method, images, target.test, batchnorm, bench.device)
    tables = []
    for shots, episodes in target.episodes.items():
        with bench.show(f"test {shots}-shot ({label})", len(episodes)) as bar:
            def progress(accuracy):
                bar.update()
                bar.set_postfix_str(f"acc {accuracy:.3f}", refresh=False)

            scored = score_episodes(method, embed, target.test, episodes, shots, batchnorm, progress)
        tables.append([table.assign(shots=shots) for table in scored])
    scores, confusion = (pd.concat(parts, ignore_index=True) for parts in zip(*tables))
    return scores, confusion, _predictions(bench, run, method, target)


def _predictions(bench: Bench, run: Run, method: FewShotMethod, target: Target) -> pd.DataFrame:
    predicted = classify_all(method, bench.domains[run.target].images, target.test, bench.device)
    if predicted is None:
        return pd.DataFrame()
    names = np.array(target.test.classes)
    return pd.DataFrame({
        "method": f"{run.model.algorithm}-head",
        "path": bench.domains[run.target].index["path"].iloc[target.test.rows].to_numpy(dtype=str),
        "label": names[target.test.labels],
        "predicted": names[predicted],
    })


def _write_table(path: Path, parts: list[pd.DataFrame]) -> None:
    with replacing(path) as temporary:
        pd.concat(parts, ignore_index=True).to_parquet(temporary, index=False)


def write_plan(bench: Bench, runs: list[Run], command: str) -> None:
    """`plan.json`: what the tables are expected to hold, and the command that fills them."""
    write_json(bench.folder / "plan.json", {
        "suite": bench.suite.name,
        "title": bench.suite.title,
        "preset": bench.suite.preset,
        "command": command,
        "rendered": list(bench.rendered),
        "severity": {name: asdict(rendered) for name, rendered in bench.rendered.items()},
        "bayes": _bayes(bench),
        "runs": [
            {"id": run.id, "algorithm": run.model.algorithm, "source": run.model.source, "target": run.target,
             "seed": run.model.seed, "model": run.model.id}
            for run in runs
        ],
    })


def _bayes(bench: Bench) -> list[dict]:
    """How often a perfect reader of the drawn action units is right, in episodes and among all the classes of a rendered target."""
    rows = []
    for (source, target), images in bench.targets.items():
        if target in bench.rendered:
            classes, way = images.test.classes, bench.suite.protocol.way
            accuracies = {way: bayes_episode_accuracy(classes, way), len(classes): bayes_accuracy(classes)}
            rows += [{"source": source, "target": target, "way": n, "accuracy": accuracy} for n, accuracy in accuracies.items()]
    return rows
