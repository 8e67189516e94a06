"""Your own photographs, in a folder `<label>/<image>`, and a training loop of your own over learn2learn
tasks.

    python examples/own_data.py ~/faces
"""

import sys
from pathlib import Path

import torch

import fer_meta as fm


def main(folder: Path, steps: int = 200, way: int = 3, shots: int = 1, queries: int = 3) -> None:
    # Labels are known under their usual names. A file fer-meta.yaml in the folder says who is on a picture.
    faces = fm.load_faces("mine", folder, size=48)
    print(faces.index["label"].value_counts().to_string())

    # learn2learn tasks: of each class the support comes first, then the queries.
    tasks = fm.make_tasks(faces, split="train", way=way, shots=shots, queries=queries)
    network = fm.backbone("conv4")
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    for step in range(steps):
        images, labels = tasks[step]
        features = network(images).view(way, shots + queries, -1)
        prototypes, asked = features[:, :shots].mean(1), features[:, shots:].flatten(0, 1)
        logits = -(torch.cdist(asked, prototypes) ** 2)
        wanted = labels.view(way, -1)[:, shots:].flatten()
        loss = torch.nn.functional.cross_entropy(logits, wanted)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if (step + 1) % max(1, steps // 10) == 0:
            right = (logits.argmax(1) == wanted).float().mean()
            print(f"step {step + 1}: loss {loss.item():.3f}, accuracy {right:.2f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
