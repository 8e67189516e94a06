"""The base of all settings."""

from pydantic import BaseModel, ConfigDict, model_validator


class Strict(BaseModel):
    """Immutable; an unknown key is an error rather than a setting silently ignored, and so is `yes` or "5"
    where a number belongs.

    Whatever decides memory or time has an upper bound, far above what is of use: a typing mistake shall not
    fill a machine.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _lists_as_tuples(cls, values):
        return _tuples(values) if isinstance(values, dict) else values


def _tuples(value):
    """YAML's lists as what a strict field of many values takes."""
    if isinstance(value, dict):
        return {key: _tuples(one) for key, one in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
