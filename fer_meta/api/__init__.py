"""What `import fer_meta as fm` offers: faces, tasks, training, evaluation and whole benches from Python.

The functions call what the command line calls, so that their numbers mean the same: a training sees the train
split alone, its checkpoints are picked on the val split for each readout, and an evaluation uses fixed
episodes of test images that were not trained on.
"""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import torch

from fer_meta.api.evaluated import evaluate
from fer_meta.api.faces import load_faces, make_tasks
from fer_meta.api.trained import TrainedModel, train
from fer_meta.datasets import registry as datasets
from fer_meta.methods import registry as methods
from fer_meta.networks import backbones
from fer_meta.prediction import predicting
from fer_meta.prediction.cautions import cautions_of
from fer_meta.report.aggregate.accuracy import accuracy_table
from fer_meta.report.aggregate.folds import pooled
from fer_meta.report.cells import Names, read_cells
from fer_meta.report.load import read_results as load_results
from fer_meta.runner.main import finish, plan, work
from fer_meta.runner.options import BenchOptions
from fer_meta.suites.text import suite_names
from fer_meta.tracking.follow import followed

__all__ = [
    "TrainedModel",
    "backbone",
    "bench",
    "evaluate",
    "list_datasets",
    "list_methods",
    "list_suites",
    "load_faces",
    "make_tasks",
    "predict",
    "read_results",
    "train",
]


def list_datasets() -> list[str]:
    """The names that `load_faces` knows: rendered sets, data sets with a loader, folders of `$FER_META_DATA`.

    >>> "synthetic-wild" in list_datasets()
    True
    """
    return datasets.names({})


def list_methods() -> list[str]:
    """The names that `train` knows.

    >>> "protonet" in list_methods()
    True
    """
    return methods.names()


def list_suites() -> list[str]:
    """The names that `bench` knows.

    >>> "cross-domain" in list_suites()
    True
    """
    return suite_names()


def backbone(
    name: str, weights: str = "none", stem: backbones.Stem = "large", image_size: int = 224
) -> torch.nn.Module:
    """A network from images [B, 3, H, W], normalised by its own `normalisation`, to features [B, D].

    `name`: conv4, resnet12, efficientnet_lite0, a classification network of torchvision by its name there,
    timm/NAME, or FILE.py:CLASS. `weights`: none, imagenet (downloaded once), bundled (efficientnet_lite0), or
    the path of a state dict. `stem`: as a suite's methods have it; auto follows `image_size`.

    Raises FerMetaError for an unknown name, or for weights that cannot be had.

    >>> backbone("conv4")(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 256])
    """
    return backbones.vectors(name, weights, stem, image_size)


def bench(
    suite: str = "cross-domain", *, data: Mapping[str, str | Path] | None = None, **options
) -> pd.DataFrame:
    """Run a suite (a name of `list_suites`, or the path of a suite file) as `fer-meta bench` does; its table.

    `data` gives the folders of data sets: `{"fer2013": "~/fer2013"}`. The other options are those of the
    command line (`fer_meta.runner.options.BenchOptions`): `domains=["synthetic-wild", "fer2013"]`,
    `methods=["protonet"]`, `seeds=(0, 1, 2)`, `preset="full"`, `out="results"`. Finished runs are not redone.
    The table is that of `read_results`. Raises FerMetaError if anything is wrong before the first run, and
    TypeError for an unknown option; a run that fails is printed and is not in the table.
    """
    given = {name: Path(folder).expanduser() for name, folder in (data or {}).items()}
    if "out" in options:
        options["out"] = Path(options["out"])
    planned = plan(BenchOptions(suite, data=given, **options))
    with followed(planned.folder, planned.options.track):
        work(planned)
        finish(planned)
    return read_results(planned.folder)


def predict(
    model: str | Path,
    pictures: str | Path | Sequence[str | Path],
    *,
    support: str | Path | None = None,
    data: Mapping[str, str | Path] | None = None,
    **options,
) -> pd.DataFrame:
    """What a stored model says of photographs, films, or folders of them: one row per picture or frame, with
    `file`, `frame`, `time`, `label`, `confidence`, the probabilities `p_<class>`, the `nearest` support faces
    and a `fault`, if no face was found.

    `model`: a folder of `models/` or `runs/` in a results folder, the `folder` of a TrainedModel, or
    hf:USER/NAME of the Hugging Face hub.
    `support`: a folder with a folder of faces per class, or a data set (its folder in `data`); by default the
    one that the model was trained on. The other options (`own_head`, `shots`, `seed`, `readout`, `aligned`,
    `aligned_support`, `camera`, `detector`, `fps`, `device`, `code`) are those of
    `fer_meta.prediction.predicting.predict`. Warns of a model whose answers are known to be worth nothing.
    Raises FerMetaError.
    """
    given = {name: Path(folder).expanduser() for name, folder in (data or {}).items()}
    several = [pictures] if isinstance(pictures, str | Path) else pictures
    found = predicting.predict(model, several, support=support, data=given, **options)
    for line in cautions_of(found.model):
        warnings.warn(line, stacklevel=2)
    return found.table


def read_results(folder: str | Path) -> pd.DataFrame:
    """The table of a bench, computed from the answers that its runs stored: one row per method, readout,
    source, target, shots and selection.

    Scores are 0 to 1; docs/files.md has the columns. Raises ResultsError if `folder` has no finished
    runs or a damaged one.
    """
    results, names = load_results(Path(folder)), Names()
    return accuracy_table(results, pooled(results, read_cells(results, names)))
