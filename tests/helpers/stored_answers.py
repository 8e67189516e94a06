"""What stored runs hold, made up: the episodes, the answers to them, and the history of a training."""

from pathlib import Path

import numpy as np
import pandas as pd

CLASSES = ["anger", "disgust", "fear", "happiness", "sadness"]
SELECTIONS = ["source-val", "last", "oracle"]
QUERIES = 5


def images_of(target: str, classes: list[str], per_class: int = 30) -> pd.DataFrame:
    """A data set's test images: `press_faces` has people, film clips too, `fer2013` neither."""
    rows = [
        {"path": f"{label}/{i:02}.png", "label": label, "subject": f"p{i // 3}", "clip": f"{label}-c{i // 3}"}
        for label in classes
        for i in range(per_class + 5 * classes.index(label))
    ]
    images = pd.DataFrame(rows)
    if "film" not in target:
        images["clip"] = None
    if target == "fer2013":
        images["subject"] = None
    return images


def episodes_of(
    images: pd.DataFrame, classes: list[str], shots: int, protocol: dict, target: str
) -> pd.DataFrame:
    """As a bench stores them: the same for every run of the protocol on the target."""
    rng = np.random.RandomState(shots)
    of_all = protocol["queries"] == "all"
    if of_all:
        shared_out = np.array_split(rng.permutation(len(images)), protocol["episodes"])
    of_class = [images.index[images["label"] == label].to_numpy() for label in classes]
    parts: list[tuple[np.ndarray, str, int]] = []
    for episode in range(protocol["episodes"]):
        for own in of_class:
            rows = rng.permutation(own)
            if of_all:
                support, query = rows[:shots], rows[:0]
            elif protocol["disjoint"] == "nothing":
                support, query = rng.choice(rows, shots), rng.choice(rows, QUERIES)
            elif protocol["disjoint"] in ("clip", "subject"):
                # three images a person and clip
                low, high = rows[rows < np.median(rows)], rows[rows > np.median(rows) + 3]
                support, query = low[:shots], high[:QUERIES]
            else:
                support, query = rows[:shots], rows[shots : shots + QUERIES]
            parts += [(support, "support", episode), (query, "query", episode)]
        if of_all:
            parts.append((images.index[shared_out[episode]], "query", episode))
    lengths = [len(rows) for rows, _, _ in parts]
    table = images.loc[np.concatenate([rows for rows, _, _ in parts])].reset_index(drop=True)
    table["role"] = np.repeat([role for _, role, _ in parts], lengths).astype(object)
    table["episode"] = np.repeat([episode for _, _, episode in parts], lengths)
    if of_all:  # Made up: a bench takes the support from the source.
        held_out = table["role"] == "support"
        table.loc[held_out, "path"] = "held-out/" + table["path"]
        table.loc[held_out, ["subject", "clip"]] = None
    return table.assign(data=target)


def answers_to(
    folder: Path,
    stored: dict,
    images: pd.DataFrame,
    readouts: dict,
    rng: np.random.RandomState,
    near: float,
    leak: float,
    protocol: dict,
) -> pd.DataFrame:
    parts, classes = [], sorted(images["label"].unique())
    once = protocol["queries"] == "all"
    asked = {shots: _asked(folder / stored[str(shots)]) for shots in protocol["shots"]}
    asked[0] = images.assign(episode=0), np.zeros(len(images))
    for readout, mean in readouts.items():
        for shots in [0] * (readout == "supervised-head") + protocol["shots"]:
            queries, shares = asked[shots]
            for selection in SELECTIONS:
                chance = mean + near + leak * shares + 0.02 * shots + 0.01 * (selection == "oracle")
                right = rng.rand(len(queries)) < chance
                labels = queries["label"].to_numpy()
                wrong = np.array(classes)[
                    (np.searchsorted(classes, labels) + rng.randint(1, len(classes), len(labels)))
                    % len(classes)
                ]
                confidence = 0.5 + 0.5 * rng.rand(len(labels))
                part = queries[["episode", "path", "label", "subject", "clip"]].assign(
                    readout=readout,
                    shots=shots,
                    selection=selection,
                    predicted=np.where(right, labels, wrong),
                    confidence=np.nan if readout == "relationnet" else confidence,
                )
                if once or not shots:
                    for name in classes:
                        others = (1 - confidence) / (len(classes) - 1)
                        part[f"p_{name}"] = np.where(part["predicted"] == name, confidence, others)
                parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    texts = ["readout", "selection", "path", "label", "predicted", "subject", "clip"]
    return table.astype(dict.fromkeys(texts, "category") | {"confidence": "float32", "episode": "int32"})


def _asked(path: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """The queries of stored episodes, and whether each shares its person with an image of its support."""
    rows = pd.read_parquet(path)
    person = rows["episode"].astype(str) + rows["subject"].astype(str) + rows["label"]
    is_query = rows["role"] == "query"
    return rows[is_query], person[is_query].isin(set(person[~is_query])).to_numpy()


def history_of(rng: np.random.RandomState, method: str) -> list[dict]:
    metric, readout = ("val_uar", "supervised-head") if method == "supervised" else ("val_accuracy", method)
    rows = []
    for step in range(50, 1001, 50):
        rows.append(
            {
                "step": step,
                "loss": 1.0 + 0.6 * np.exp(-step / 300) + 0.04 * rng.randn(),
                "train_accuracy": 0.8 - 0.4 * np.exp(-step / 300),
                "seconds": step / 10,
            }
        )
        if step % 200 == 0:
            learned = 0.45 - 0.25 * np.exp(-step / 300)
            rows.append({"step": step, metric: {readout: learned + 0.01 * rng.randn()}})
    return rows
