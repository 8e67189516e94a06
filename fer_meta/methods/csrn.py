"""Channel Selective Relation Network (Kim, Kang and Kim; github.com/smu-ivpl/CSRN, 2023)."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate, mse_loss, one_hot

from fer_meta.methods import relationnet
from fer_meta.methods.base import Episode, accuracy, at_least_float32, embed_episode
from fer_meta.methods.readouts import class_means

# The patches of an upright face that fills its image, as shares of its size: top, bottom, left, right.
EYES = (0.15, 0.5, 0.1, 0.9)
LIPS = (0.55, 0.95, 0.2, 0.8)
PARTS = 3  # of the features: the face, the eyes, the lips
FACE = 0

# The weight of the class maps' scores, in the loss and in the answer.
OF_CLASS_MAPS = 0.7

# By how much of its mean a shot's channel is favoured: above float32's rounding, and far below what tells two
# shots apart.
TIE = 1e-4


class Method(relationnet.Method):
    """Relation Net on a face and on two patches cut from it, the eyes and the lips, each enlarged to the size
    of the image; one backbone makes the maps of all three. A class's map is put together from the faces of
    its shots: of each channel it takes the shot whose spatial mean is nearest to the mean of all shots
    (`select_channels`). One relation module scores each support image against each query, part by part, and
    the class maps against the queries' faces.

    The loss is the squared error of the scores of the faces, of the eyes, and of the lips, and 0.7 times that
    of the class maps. `csrn` answers by the same sum: the mean score of a class's shots for face, eyes and
    lips, and 0.7 times the class map's. `csrn-map` answers by the class map alone.

    From the code, for the paper could not be read. What differs:

    - In the code a class map is paired with the query of its own class alone, so that it cannot tell classes
      apart, and one of four labels is mistyped. Here every query is compared with every class map.
    - How the patches were cut is not in the code. The boxes are ours. They were set on the mean faces of
      FER2013, of press photographs and of rendered people, and they fit no face that is not aligned.
    - The backbone is that of the suite. Theirs has no padding in two of its four convolutions, and none in
      the relation module: maps of 14x14 instead of 16x16 at 64 px.
    - Relation Net's initial weights and warm-up, which keep it from staying at chance. The code clips the
      norm of the gradients at 0.5; here nothing is clipped.

    Its trap: with one shot the class map is the shot's own, and with two shots both are equally near to
    their mean, in every channel. The code then takes the first shot, so that the order of the support
    decides. Here the shot with the larger mean is taken. BatchNorm sees the three parts as one batch; at test
    its statistics are those of all three.
    """

    name = "csrn"
    own = {"csrn": "CSRN", "csrn-map": "CSRN (class map alone)"}
    uncalibrated = frozenset(own)
    colours = {"csrn": "#8C510A", "csrn-map": "#B87333"}
    order = 310
    summed = False

    def embed(self, images: Tensor) -> Tensor:
        """Normalised images [B, 3, H, W] -> maps of face, eyes and lips [B, 3, C, h, w]."""
        parts = torch.cat([images, patch(images, EYES), patch(images, LIPS)])
        return self.backbone.maps(parts).unflatten(0, (PARTS, len(images))).transpose(0, 1)

    def own_classifiers(self, support, labels, classes):
        def by_map(query: Tensor) -> Tensor:
            return self.of_class_maps(support, labels, query, len(classes))

        def by_all(query: Tensor) -> Tensor:
            return total(self.of_shots(support, query), by_map(query), labels)

        return {"csrn": by_all, "csrn-map": by_map}

    def of_shots(self, support: Tensor, query: Tensor) -> Tensor:
        """Features of a support set [S, 3, C, h, w] and of queries [Q, 3, C, h, w] -> the scores of each pair
        for each part [3, Q, S].
        """
        return torch.stack([self.relation(support[:, part], query[:, part]) for part in range(PARTS)])

    def of_class_maps(self, support: Tensor, labels: Tensor, query: Tensor, way: int) -> Tensor:
        """The scores [Q, way] of the queries' faces against the class maps of the support's."""
        return self.relation(self.class_maps(support[:, FACE], labels, way), query[:, FACE])

    def class_maps(self, support: Tensor, labels: Tensor, way: int) -> Tensor:
        """The maps of faces [way * shots, C, h, w] -> the map of each class [way, C, h, w]."""
        return torch.stack([select_channels(support[labels == number]) for number in range(way)])

    def loss(self, batch: Episode) -> tuple[Tensor, Tensor]:
        support, query = embed_episode(self, batch)
        labels, asked, way = batch.support_labels, batch.query_labels, len(batch.classes)
        pairs = at_least_float32(self.of_shots(support, query))
        maps = at_least_float32(self.of_class_maps(support, labels, query, way))
        same = (asked.unsqueeze(1) == labels).to(pairs).expand_as(pairs)
        right = one_hot(asked, way).to(maps)
        loss = PARTS * mse_loss(pairs, same) + OF_CLASS_MAPS * mse_loss(maps, right)
        return loss, accuracy(total(pairs, maps, labels), asked)


def total(pairs: Tensor, maps: Tensor, labels: Tensor) -> Tensor:
    """The answer [Q, way] of the scores of pairs [3, Q, S] and of class maps [Q, way], where `labels` [S] are
    those of the support.
    """
    of_shots = class_means(pairs.sum(0).T, labels, maps.shape[1]).T
    return of_shots + OF_CLASS_MAPS * maps


def select_channels(shots: Tensor) -> Tensor:
    """The maps of a class's shots [K, C, h, w] -> one map [C, h, w]: each channel is that of the shot whose
    spatial mean is nearest to the mean of all shots; of two equally near ones that of the larger mean.
    """
    means = at_least_float32(shots).mean((2, 3))
    nearest = ((means - means.mean(0)).abs() - TIE * means).argmin(0)
    return shots[nearest, torch.arange(shots.shape[1], device=shots.device)]


def patch(images: Tensor, box: tuple[float, float, float, float]) -> Tensor:
    """The part of images [B, 3, H, W] that lies in `box`, enlarged (bilinear) to their size: [B, 3, H, W]."""
    size = images.shape[-2:]
    top, bottom = (round(share * size[0]) for share in box[:2])
    left, right = (round(share * size[1]) for share in box[2:])
    cut = images[:, :, top:bottom, left:right]
    return interpolate(cut, size=size, mode="bilinear", align_corners=False)
