"""What all settings have in common: strict, frozen, unknown keys refused."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


Auto = Literal["auto"]
Fraction01 = Annotated[float, Field(ge=0, le=1)]
Threshold = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[int, Field(ge=1)]
