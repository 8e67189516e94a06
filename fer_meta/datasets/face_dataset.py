"""The decoded faces as a torch data set, for learn2learn and for data loaders."""

import numpy as np
import torch
from torch.utils.data import Dataset

from fer_meta.datasets.cache import CachedFaces


class FaceDataset(Dataset):
    """`[i]` is (uint8 tensor [3, H, W], label), where `classes[label]` is the expression.

    `classes` are the expressions that occur, in the vocabulary's order; `labels` holds the label of every
    image, so that a sampler need not read images to learn them.
    """

    def __init__(self, faces: CachedFaces):
        present = set(faces.index["label"])
        self.faces = faces
        self.classes = tuple(name for name in faces.spec.vocabulary if name in present)
        numbers = {name: number for number, name in enumerate(self.classes)}
        self.labels = [numbers[name] for name in faces.index["label"]]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        # The memory map is read-only, which torch does not know of: copy the pixels.
        return torch.from_numpy(np.array(self.faces.images[i])).permute(2, 0, 1), self.labels[i]
