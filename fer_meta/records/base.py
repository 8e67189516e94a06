"""What the descriptions of JSON files share: strict types, and reading and writing by them."""

import json
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from fer_meta.fileio import is_below, write_json
from fer_meta.oneline import cleaned, one_line


def _one_folder(name: str) -> str:
    if "/" in name or "\\" in name or name in ("", ".", "..") or len(name.encode(errors="replace")) > 250:
        raise ValueError("is not the name of one folder")
    return name


def _below(name: str) -> str:
    if not is_below(name):
        raise ValueError("leads out of the results folder")
    return name


FolderName = Annotated[str, AfterValidator(_one_folder)]
Below = Annotated[str, AfterValidator(_below)]
"""A path that stays below the folder that it is relative to."""
Count = Annotated[int, Field(ge=0, le=2**53)]
Positive = Annotated[int, Field(ge=1, le=2**31 - 1)]
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]


class Stored(BaseModel):
    """A part of a JSON file. Keys that are not known, such as those of a newer version, are ignored."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class Open(Stored):
    """A part whose other keys are kept, for they belong to a method or to another version. It is written as
    it was read, without defaults.
    """

    model_config = ConfigDict(extra="allow")

    @model_serializer(mode="wrap")
    def _as_read(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in serialise(self).items() if name in self.model_fields_set}


Description = TypeVar("Description", bound=Stored)


def read_record(path: Path, description: type[Description]) -> Description:
    """What a JSON file holds. Raises ValueError: what is wrong, in one line without the path."""
    try:
        return description.model_validate(read_json(path))
    except ValidationError as error:
        raise ValueError(in_words(error)) from None


def write_record(path: Path, record: Stored) -> None:
    """Write a JSON file that is either whole or not there."""
    write_json(path, record.model_dump(mode="json"))


def read_json(path: Path) -> Any:
    """What the file holds, each text in one line. Raises ValueError, with what is wrong in one line."""
    if not path.is_file():
        raise ValueError("is no regular file" if path.exists() else "is missing")
    try:
        return cleaned(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"cannot be read ({one_line(str(error), 120)})") from None


def in_words(error: ValidationError) -> str:
    """The first thing that is wrong, in one line: where, and what should be there."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"])) or "all of it"
    return f"{one_line(where, 120)}: {one_line(first['msg'].removeprefix('Value error, '), 200)}"
