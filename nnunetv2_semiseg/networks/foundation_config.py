"""Hyper-parameters of the foundation branch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from nnunetv2_semiseg.config import STRICT


@dataclass(frozen=True, kw_only=True, config=STRICT)
class FoundationConfig:
    """Which segment-anything model a method uses, where its weights come from and how it is adapted."""

    architecture: Literal["vit_b", "vit_l", "vit_h", "vit_small", "vit_tiny"] = Field(
        default="vit_b",
        description="image encoder; vit_small and vit_tiny are for trials: no weights exist for them",
    )
    checkpoint: str | None = Field(default=None, description="path of a SAM or MedSAM .pth file")
    random_weights: bool = Field(
        default=False,
        description="true: no checkpoint, random frozen weights; only to try things out",
    )
    image_size: int = Field(
        default=512,
        ge=32,
        multiple_of=16,
        description="side of the foundation model's input",
    )
    normalization: Literal["medsam", "sam"] = Field(
        default="medsam",
        description="medsam: 0..1; sam: times 255, then SAM's pixel mean and std",
    )
    lora_rank: int = Field(default=4, ge=1, description="rank of the updates of queries and values")

    @model_validator(mode="after")
    def _weights_have_one_source(self) -> FoundationConfig:
        if self.checkpoint is not None and self.random_weights:
            raise ValueError("name a checkpoint or ask for random_weights, not both")
        return self
