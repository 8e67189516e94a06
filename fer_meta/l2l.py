"""learn2learn, imported quietly, or a line that says how to add it.

learn2learn imports gym where there is one, for its reinforcement-learning half, and gym prints a notice of
its own retirement on standard error. Nothing here uses gym, so the notice is emptied before it can be
printed; everything else gym or learn2learn might say still is. The import takes seconds: import this module
late.
"""

import sys
from contextlib import suppress

from fer_meta.errors import FerMetaError

with suppress(ImportError):
    import gym_notices.notices

    gym_notices.notices.notices.clear()

try:
    from learn2learn.algorithms import MAML, MetaSGD
    from learn2learn.algorithms.maml import maml_update
    from learn2learn.algorithms.meta_sgd import meta_sgd_update
    from learn2learn.data import DataDescription, MetaDataset, Taskset
    from learn2learn.data.transforms import LoadData, RemapLabels, TaskTransform
except ImportError as error:
    raise FerMetaError(
        f"learn2learn cannot be imported ({error}); install it: {sys.executable} -m"
        " fer_meta.install_learn2learn"
    ) from error

__all__ = [
    "MAML",
    "DataDescription",
    "LoadData",
    "MetaDataset",
    "MetaSGD",
    "RemapLabels",
    "TaskTransform",
    "Taskset",
    "maml_update",
    "meta_sgd_update",
]
