"""`model.json`: a training, and what is needed to use its checkpoints without the suite or the data."""

from pathlib import Path
from typing import Any

from fer_meta.errors import ResultsError
from fer_meta.records.base import Count, FolderName, Positive, Stored, read_record, write_record

MODEL = "model.json"


class Normalisation(Stored):
    """Mean and standard deviation of each colour channel, of pixels from 0 to 1."""

    mean: list[float]
    std: list[float]


class ModelRecord(Stored):
    """The whole file. An older version wrote `id`, `identity` and `precision` only: the rest is then
    empty.
    """

    id: FolderName
    method: str = ""
    config: dict[str, Any] = {}  # the method's hyper-parameters, its backbone among them
    classes: list[str] = []  # in the order of the labels
    protocol: dict[str, Any] = {}  # the one that it was trained under
    image_size: Positive | None = None  # pixels
    normalisation: Normalisation | None = None
    seed: Count = 0
    # optimiser steps of the whole training; 0 under a budget of seconds, where the log has them
    steps: Count = 0
    images: Count | None = None  # shown in these steps
    budget: dict[str, float] = {}  # images or seconds, where the suite gives every training the same
    precision: str | None = None  # fp32 or bf16, in which the training began
    identity: dict[str, Any] = {}

    @property
    def backbone(self) -> str:
        """The name of the network; "" where it is not known."""
        return str(self.config.get("backbone", ""))

    @property
    def way(self) -> int | None:
        """Classes of a training episode."""
        return self.protocol.get("train", {}).get("way")

    @property
    def shots(self) -> int | None:
        """Support images per class of a training episode."""
        return self.protocol.get("train", {}).get("shots")


def read_model(folder: Path) -> ModelRecord:
    """The record of a model by its folder. Raises ResultsError if it is missing or damaged."""
    path = folder / MODEL
    try:
        return read_record(path, ModelRecord)
    except ValueError as error:
        raise ResultsError(f"{path}: {error}; delete {folder} and run the bench again") from None


def write_model(folder: Path, record: ModelRecord) -> None:
    """Write the record of a model into its folder."""
    write_record(folder / MODEL, record)
