"""Relation networks whose support maps are averaged over the shots instead of summed, as in the 2022 note's
code ("DAP": an adaptive 3-D average pool over a class's maps). The scale of a class map then does not depend
on the number of shots.
"""

from fer_meta.methods import relationnet
from fer_meta.methods.base import class_means
from fer_meta.methods.relationnet import Config

__all__ = ["Config", "Method"]


class Method(relationnet.Method):
    """`relationnet.Method` with the mean of a class's maps; for one shot the two are the same."""

    name = "relationnet-mean"
    summed = False

    def class_maps(self, support, labels, way):
        return class_means(support, labels, way)
