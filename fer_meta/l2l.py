"""learn2learn, imported quietly.

learn2learn imports gym for its reinforcement-learning half, and gym prints a notice of its own retirement on standard
error. Nothing here uses gym, so the notice is emptied before it can be printed; everything else gym or learn2learn might
say still is. The import takes seconds: import this module late.
"""

import gym_notices.notices

gym_notices.notices.notices.clear()

from learn2learn.algorithms import MAML  # noqa: E402
from learn2learn.algorithms.maml import maml_update  # noqa: E402
from learn2learn.data import DataDescription, MetaDataset, Taskset  # noqa: E402
from learn2learn.data.transforms import LoadData, RemapLabels, TaskTransform  # noqa: E402

__all__ = ["DataDescription", "LoadData", "MAML", "MetaDataset", "RemapLabels", "TaskTransform", "Taskset", "maml_update"]
