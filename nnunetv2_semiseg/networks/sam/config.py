"""Hyper-parameters of foundation models: what all of them have, and those of each kind."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from nnunetv2_semiseg.core.config import STRICT
from nnunetv2_semiseg.core.errors import UserError


def _image_size(default: int) -> Any:
    return Field(default=default, ge=32, multiple_of=16, description="side of the foundation model's input")


def _normalization(default: str) -> Any:
    return Field(default=default, description="medsam: 0..1; sam: times 255, then SAM's pixel mean and std")


@dataclass(frozen=True, kw_only=True, config=STRICT)
class SamConfig:
    """Which segment-anything model a method uses, where its weights come from and what images it takes."""

    needs_mask_heads: ClassVar[bool] = False
    """Whether the model uses the mask heads of the published files."""

    architecture: Literal["vit_b", "vit_l", "vit_h", "vit_small", "vit_tiny"] = Field(
        default="vit_b",
        description="image encoder; vit_small and vit_tiny are for trials: no weights exist for them",
    )
    checkpoint: str | None = Field(default=None, description="path of a SAM or MedSAM .pth file")
    random_weights: bool = Field(
        default=False,
        description="true: no checkpoint, random frozen weights; only to try things out",
    )
    image_size: int = _image_size(512)
    normalization: Literal["medsam", "sam"] = _normalization("medsam")
    gradient_checkpointing: bool = Field(
        default=False,
        description="true: less memory, more time: the image encoder computes its blocks again in the "
        "backward pass instead of keeping what they need",
    )

    @model_validator(mode="after")
    def _weights_have_one_source(self) -> SamConfig:
        if self.checkpoint is not None and self.random_weights:
            raise UserError("name a checkpoint or ask for random_weights, not both")
        return self


@dataclass(frozen=True, kw_only=True, config=STRICT)
class FoundationConfig(SamConfig):
    """Hyper-parameters of a semantic SAM, adapted by LoRA (SynFoC)."""

    lora_rank: int = Field(default=4, ge=1, description="rank of the updates of queries and values")


@dataclass(frozen=True, kw_only=True, config=STRICT)
class PromptedFoundationConfig(SamConfig):
    """Hyper-parameters of a SAM with learned prompts and adapters (KnowSAM); the sizes are the paper's."""

    needs_mask_heads: ClassVar[bool] = True
    image_size: int = _image_size(256)
    normalization: Literal["medsam", "sam"] = _normalization("sam")
    adapter_ratio: float = Field(
        default=0.25, gt=0, le=1, description="width of the adapters' bottlenecks over the encoder's"
    )
    train_mask_decoder: bool = Field(
        default=False, description="true: the mask decoder learns as well; false: it stays as published"
    )
