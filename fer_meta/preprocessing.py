"""From stored bytes to a network's input, on whole batches and on the device."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fer_meta.datasets.stacked import Images


class Normalisation(NamedTuple):
    """Mean and deviation of red, green and blue, of values from 0 to 1, that a backbone expects."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


# Of every backbone without one of its own: most pretrained weights expect it, and the others do not mind.
IMAGENET = Normalisation(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))

# Largest shift of an augmented face, as a share of its size: the play of a face detector.
SHIFT = 1 / 12


def normalise(images: Tensor, by: Normalisation = IMAGENET) -> Tensor:
    """uint8 [B, H, W, 3] -> float32 [B, 3, H, W] (channels_last in memory), of mean 0 and deviation 1 where
    `by` is that of the images.
    """
    x = images.permute(0, 3, 1, 2).float().div_(255)
    mean, std = (torch.tensor(values, device=x.device).view(1, 3, 1, 1) for values in by)
    return x.sub_(mean).div_(std)


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror half of the faces and shift each by up to a twelfth of its size; uint8 [B, H, W, 3] in and out.

    Edges repeat. `generator` is a CPU generator, so that the draws are the same on every device.
    """
    count, height, width, _ = images.shape

    def draw(low, high):
        return torch.randint(low, high + 1, (count, 1), generator=generator).to(images.device)

    reach = int(height * SHIFT), int(width * SHIFT)
    rows = (torch.arange(height, device=images.device) + draw(-reach[0], reach[0])).clamp_(0, height - 1)
    columns = (torch.arange(width, device=images.device) + draw(-reach[1], reach[1])).clamp_(0, width - 1)
    columns = torch.where(draw(0, 1).bool(), columns.flip(1), columns)
    batch = torch.arange(count, device=images.device).view(-1, 1, 1)
    return images[batch, rows.unsqueeze(2), columns.unsqueeze(1)]


def fetch(images: Images, rows: np.ndarray, device: torch.device) -> Tensor:
    """One gather of `rows` [B] from each memory map: uint8 [B, H, W, 3] on `device`, through pinned memory
    for a GPU.
    """
    batch = torch.from_numpy(images[rows])
    return batch.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else batch.to(device)
