"""Segment-anything's image encoder: frozen, shared, and adaptable per call."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from segment_anything.modeling import ImageEncoderViT
from segment_anything.modeling.image_encoder import Block
from torch import nn
from torch.utils.checkpoint import checkpoint

from nnunetv2_semiseg.networks.sam.model.adaptation import EncoderAdaptation
from nnunetv2_semiseg.networks.sam.model.attention import attend
from nnunetv2_semiseg.networks.sam.model.prediction_precision import (
    PredictionPrecision,
    RoundedWeights,
    predicts_in_bfloat16,
)
from nnunetv2_semiseg.networks.sam.model.window_attention import attend_in_windows

Linear = Callable[[nn.Linear, torch.Tensor], torch.Tensor]
"""Computes a linear layer's output from the layer and its input."""


class SamEncoder(nn.Module):
    """A frozen image encoder that takes an adaptation with every call.

    The frozen weights exist once; student and teacher call the same encoder with adaptations of their own.
    It is never trained: no parameter takes gradients, and ``train()`` leaves it in evaluation mode.

    Mixed precision is for the blocks alone. In the patch embedding and the neck, which do hundredths of the
    operations, half precision would add as much to the embeddings' error as in all blocks together.

    Attributes:
        checkpointing: Whether blocks are computed again in the backward pass, as the constructor says.
        prediction_precision: Precision of the blocks on a CPU in a network for prediction, as nnU-Net's
            predictor has mixed precision on GPUs only. None, as in a training, leaves it to the caller's
            autocast.
    """

    def __init__(self, vit: ImageEncoderViT, checkpointing: bool = False) -> None:
        """Freeze an encoder.

        Args:
            vit: Segment-anything's encoder, which is not copied.
            checkpointing: Whether nothing of a block but its input is kept for the backward pass, where the
                block is computed again.
        """
        super().__init__()
        self.vit = vit
        self.checkpointing = checkpointing
        self.prediction_precision: PredictionPrecision | None = None
        self.unadapted = EncoderAdaptation()
        self._held_in: torch.dtype | None = None
        self._rounded = RoundedWeights()
        self.requires_grad_(False)
        self.train(False)

    def hold_in(self, dtype: torch.dtype) -> None:
        """Round the blocks' linear layers to half precision for good, which halves their memory.

        Autocast would round them anew in every pass of a training, with the same result. Positions and layer
        norms stay in float32. From now on the blocks work in mixed precision, inside of autocast or not. An
        export has the rounded weights, which are those that the trained parts have learned with.

        Args:
            dtype: ``torch.bfloat16`` or ``torch.float16``.
        """
        for module in self.vit.blocks.modules():
            if isinstance(module, nn.Linear):
                module.to(dtype)
        self._held_in = dtype

    @property
    def image_size(self) -> int:
        """Side S in pixels of the images that the encoder takes."""
        return int(self.vit.img_size)

    @property
    def mask_size(self) -> tuple[int, int]:
        """Height and width of the masks that a mask decoder makes of the embeddings: a quarter of S."""
        return self.image_size // 4, self.image_size // 4

    def forward(self, images: torch.Tensor, adaptation: EncoderAdaptation | None = None) -> torch.Tensor:
        """Embed images.

        Args:
            images: Prepared images, ``Bx3xSxS``.
            adaptation: Trained changes of the blocks; None for the frozen encoder as it is.

        Returns:
            Embeddings, ``BxPx(S/16)x(S/16)``, in float32.
        """
        adaptation = self.unadapted if adaptation is None else adaptation
        device = images.device.type
        with torch.autocast(device, enabled=False):
            # contiguous, or each layer norm and addition of the blocks would go through transposed memory
            x = (self.vit.patch_embed(images.float()) + self.vit.pos_embed).contiguous()
        dtype, linear = self._blocks_precision(device)
        with nullcontext() if dtype is None else torch.autocast(device, dtype, cache_enabled=False):
            for index, block in enumerate(self.vit.blocks):
                x = self._run(block, index, x, adaptation, linear)
        with torch.autocast(device, enabled=False):
            embeddings: torch.Tensor = self.vit.neck(x.permute(0, 3, 1, 2))
        return embeddings

    def _run(
        self, block: Block, index: int, x: torch.Tensor, adaptation: EncoderAdaptation, linear: Linear
    ) -> torch.Tensor:
        if not (self.checkpointing and torch.is_grad_enabled()):
            return run_block(block, index, x, adaptation, linear)
        # nothing is drawn at random inside
        again: torch.Tensor = checkpoint(
            run_block, block, index, x, adaptation, linear, use_reentrant=False, preserve_rng_state=False
        )
        return again

    def _blocks_precision(self, device_type: str) -> tuple[torch.dtype | None, Linear]:
        """Number format of the blocks, None for the caller's, and what computes their linear layers."""
        if self._held_in is not None:
            return self._held_in, call
        chosen = self.prediction_precision
        if chosen is not None and device_type == "cpu" and predicts_in_bfloat16(chosen):
            return torch.bfloat16, self._rounded.linear
        return None, call

    def train(self, mode: bool = True) -> SamEncoder:
        """Stay in evaluation mode, whatever ``mode`` says."""
        return super().train(False)

    def _apply(self, *arguments: Any, **options: Any) -> SamEncoder:
        """What `to()` and its like end in: rounded copies don't follow weights that move."""
        before = self.vit.pos_embed.data_ptr()
        super()._apply(*arguments, **options)
        if self.vit.pos_embed.data_ptr() != before:
            self._rounded.forget()
        return self


def call(layer: nn.Linear, tokens: torch.Tensor) -> torch.Tensor:
    """A linear layer computed as it is."""
    projected: torch.Tensor = layer(tokens)
    return projected


def run_block(
    block: Block, index: int, x: torch.Tensor, adaptation: EncoderAdaptation, linear: Linear = call
) -> torch.Tensor:
    """One transformer block with the adaptation's hooks, ``BxHxWxC`` in and out."""
    tokens = block.norm1(x)
    qkv = adaptation.qkv(index, tokens, linear(block.attn.qkv, tokens))
    attended = attend_in_windows(block, qkv) if block.window_size > 0 else attend(block.attn, qkv)
    attended = linear(block.attn.proj, attended)
    x = x + adaptation.after_attention(index, attended)
    normed = block.norm2(x)
    x = x + linear(block.mlp.lin2, block.mlp.act(linear(block.mlp.lin1, normed)))
    beside = adaptation.beside_mlp(index, normed)
    return x if beside is None else x + beside
