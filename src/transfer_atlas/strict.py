"""The model that all settings and descriptions are: unknown keys are refused, values do not change."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A model that refuses unknown keys, and cannot be changed once it is made."""

    model_config = ConfigDict(extra="forbid", frozen=True)
