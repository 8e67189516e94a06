"""The numbers of the report and what they are called; `tables.py` gives them their forms."""

from functools import partial

import pandas as pd

from fer_meta.report import load
from fer_meta.report.load import Results

SELECTIONS = {
    "source-val": "source-val",
    "last": "last",
    "oracle": "oracle (target's validation)",
}
METHODS = {
    "protonet": "ProtoNet",
    "relationnet": "Relation Net",
    "maml": "MAML",
    "fomaml": "FOMAML",
    "supervised-head": "Supervised (own head)",
    "supervised-ncm": "Supervised (nearest mean)",
    "supervised-probe": "Supervised (linear probe)",
}
CELL = ["target", "source", "algorithm", "method", "way", "shots", "selection"]
BAYES = "Bayes-optimal AU reader"


def method_name(method: str) -> str:
    """The name for people; a method unknown here keeps its own."""
    return METHODS.get(method, method)


def domain_name(results: Results, domain: str, form: str = "{}") -> str:
    """The name for people, itself in `form`: a rendered domain is always called so."""
    return form.format(domain) + (" (rendered)" if domain in results.plan.get("rendered", ()) else "")


def domain_key(results: Results, domain: str) -> str:
    """Sort key of a domain: by name, and the severities of one recipe as numbers."""
    place = results.plan.get("severity", {}).get(domain)
    return f"{place['recipe']}@{place['severity']:.6f} {domain}" if place else domain


def order(results: Results, column: pd.Series) -> pd.Series:
    """Sort key: methods and selections in the order of their lists above, unknown ones after, by name.

    Domains by `domain_key`, any other column by its values.
    """
    if column.name in ("source", "target"):
        return column.map(partial(domain_key, results))
    known = {"method": METHODS, "selection": SELECTIONS}.get(column.name)
    if known is None:
        return column
    ranks = {name: f"{rank:03}" for rank, name in enumerate(known)}
    return column.map(lambda name: ranks.get(name, f"999{name}"))


def accuracy_table(results: Results) -> pd.DataFrame:
    """A row a cell (method, source, target, way, shots, selection), sorted; accuracies are 0 to 1.

    `accuracy` is the mean over seeds of the mean over episodes. `ci95_episodes` is the normal half width
    1.96 sd / sqrt(E) over the E episodes' accuracies averaged over seeds. `sd_seeds` is the sample sd of the
    seeds' means, NaN for one seed. `bayes` is the exact accuracy of a perfect reader of the drawn action units,
    NaN where the plan has none. `planned_seeds`, which is not in the CSV, tells a cell that lacks seeds.
    """
    rows = load.episodes(results.runs)
    by_seed = rows.groupby([*CELL, "seed"])["accuracy"].mean().groupby(level=CELL)
    by_episode = rows.groupby([*CELL, "episode"])["accuracy"].mean().groupby(level=CELL)
    table = pd.DataFrame({
        "accuracy": by_seed.mean(),
        "ci95_episodes": 1.96 * by_episode.std() / by_episode.size() ** 0.5,
        "sd_seeds": by_seed.std(),
        "episodes": by_episode.size(),
        "seeds": by_seed.size(),
    }).reset_index()
    table["chance"] = 1 / table["way"]
    table["bayes"] = _bayes(results, table, "way")
    # The classes, and with them the test images, may depend on what source and target share.
    tested = pd.DataFrame({(run.source, run.target): {
        "classes": len(run.classes), "test_images": run.test_images, "copies_removed": run.copies_removed,
        "excluded": " ".join(f"{name}:{images}" for name, images in sorted(run.excluded.items())),
    } for run in results.runs}).T.rename_axis(["source", "target"])
    table = table.join(tested.infer_objects(), on=["source", "target"])
    rendered = results.plan.get("rendered", [])
    table["rendered"] = table["source"].isin(rendered) | table["target"].isin(rendered)
    table["backbone"] = table["algorithm"].map({run.algorithm: run.config["backbone"] for run in results.runs})
    pair = ["algorithm", "source", "target"]
    planned = pd.DataFrame(results.plan["runs"]).groupby(pair)["seed"].nunique()
    table = table.join(planned.rename("planned_seeds"), on=pair)
    return table.sort_values(["target", "way", "source", "method", "shots", "selection"],
                             key=partial(order, results), kind="stable", ignore_index=True)


def head_table(results: Results) -> pd.DataFrame:
    """Each test image scored once by a model's own head: a row a (target, source, method, selection).

    `accuracy` and `uar` (recall averaged over the classes of the test images) are means over seeds, 0 to 1.
    `bayes` is the exact UAR of a perfect reader of the drawn action units, NaN where the plan has none.
    """
    rows = load.predictions(results.runs)
    keys = ["target", "source", "method", "selection"]
    rows["right"] = (rows["label"] == rows["predicted"]).astype(float)
    by_seed = rows.groupby([*keys, "seed"])
    recall = rows.groupby([*keys, "seed", "label"])["right"].mean()
    table = pd.DataFrame({
        "accuracy": by_seed["right"].mean(),
        "uar": recall.groupby(level=[*keys, "seed"]).mean(),
        "images": by_seed.size(),
        "classes": by_seed["label"].nunique(),
        "seeds": 1,
    }).groupby(level=keys).agg(
        {"accuracy": "mean", "uar": "mean", "images": "max", "classes": "max", "seeds": "sum"})
    table = table.reset_index()
    table["chance"] = 1 / table["classes"]
    table["bayes"] = _bayes(results, table, "classes")
    return table.sort_values(keys, key=partial(order, results), kind="stable", ignore_index=True)


def _bayes(results: Results, table: pd.DataFrame, way: str) -> list[float]:
    known = {(row["source"], row["target"], row["way"]): row["accuracy"] for row in results.plan.get("bayes", [])}
    return [float(known.get(key, "nan")) for key in zip(table["source"], table["target"], table[way])]
