"""Segment-anything's image encoder: frozen, shared, and adaptable per call."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from segment_anything.modeling import ImageEncoderViT
from segment_anything.modeling.image_encoder import Block, window_partition, window_unpartition
from torch import nn
from torch.utils.checkpoint import checkpoint

from nnunetv2_semiseg.networks.adaptation import EncoderAdaptation
from nnunetv2_semiseg.networks.attention import attend


def _cpu_computes_bfloat16() -> bool:
    """Without the instructions bfloat16 is emulated, slower than float32."""
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in names)


CPU_COMPUTES_BFLOAT16 = _cpu_computes_bfloat16()
"""Asked once: torch.compile would break the encoder into pieces at the question."""


class SamEncoder(nn.Module):
    """A frozen image encoder that takes an adaptation with every call.

    The frozen weights exist once; student and teacher call the same encoder with adaptations of their own.
    Never trained: no parameter takes gradients, and ``train()`` leaves it in evaluation mode.

    Attributes:
        checkpointing: See the constructor.
        predicts: True in a network for prediction: on a CPU with bfloat16 instructions the encoder uses them,
            which nnU-Net's predictor leaves to the network. The masks are decoded in float32.
    """

    def __init__(self, vit: ImageEncoderViT, checkpointing: bool = False) -> None:
        """Freeze an encoder.

        Args:
            vit: Segment-anything's encoder, used rather than copied.
            checkpointing: True keeps of each block nothing but its input for the backward pass, and computes
                the block again there.
        """
        super().__init__()
        self.vit = vit
        self.checkpointing = checkpointing
        self.predicts = False
        self.unadapted = EncoderAdaptation()
        self._held_in: torch.dtype | None = None
        self.requires_grad_(False)
        self.train(False)

    def hold_in(self, dtype: torch.dtype) -> None:
        """Keep the weights of all layers that autocast computes in half precision in that precision for good.

        Autocast would bring them there anew in every pass, with the same result. Positions and layer norms
        stay in float32. Every call works in mixed precision from now on, inside of autocast or not.

        Args:
            dtype: ``torch.bfloat16`` or ``torch.float16``.
        """
        for module in self.vit.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                module.to(dtype)
        self._held_in = dtype

    @property
    def image_size(self) -> int:
        """Side S in pixels of the images that it takes."""
        return int(self.vit.img_size)

    @property
    def mask_size(self) -> tuple[int, int]:
        """Height and width of the masks that a mask decoder makes of its embeddings: a quarter of S."""
        return self.image_size // 4, self.image_size // 4

    def forward(self, images: torch.Tensor, adaptation: EncoderAdaptation | None = None) -> torch.Tensor:
        """Embed images.

        Args:
            images: Prepared images, ``Bx3xSxS``.
            adaptation: Trained changes of the blocks; None for the frozen encoder as it is.

        Returns:
            Embeddings, ``BxPx(S/16)x(S/16)``.
        """
        adaptation = self.unadapted if adaptation is None else adaptation
        with self._autocast(images.device.type):
            x = self.vit.patch_embed(images) + self.vit.pos_embed
            for index, block in enumerate(self.vit.blocks):
                x = self._run(block, index, x, adaptation)
            embeddings: torch.Tensor = self.vit.neck(x.permute(0, 3, 1, 2))
        return embeddings if torch.is_autocast_enabled(images.device.type) else embeddings.float()

    def _run(self, block: Block, index: int, x: torch.Tensor, adaptation: EncoderAdaptation) -> torch.Tensor:
        if not (self.checkpointing and torch.is_grad_enabled()):
            return run_block(block, index, x, adaptation)
        # nothing is drawn at random inside
        again: torch.Tensor = checkpoint(
            run_block, block, index, x, adaptation, use_reentrant=False, preserve_rng_state=False
        )
        return again

    def _autocast(self, device_type: str) -> AbstractContextManager[Any]:
        dtype = self._held_in
        if dtype is None and self.predicts and device_type == "cpu" and CPU_COMPUTES_BFLOAT16:
            dtype = torch.bfloat16
        return nullcontext() if dtype is None else torch.autocast(device_type, dtype, cache_enabled=False)

    def train(self, mode: bool = True) -> SamEncoder:
        """Stay in evaluation mode, whatever ``mode`` says."""
        super().train(False)
        return self


def run_block(block: Block, index: int, x: torch.Tensor, adaptation: EncoderAdaptation) -> torch.Tensor:
    """One transformer block with the adaptation's hooks, ``BxHxWxC`` in and out."""
    tokens = block.norm1(x)
    qkv = adaptation.qkv(index, tokens, block.attn.qkv(tokens))
    attended = _attend_in_windows(block, qkv) if block.window_size > 0 else attend(block.attn, qkv)
    attended = block.attn.proj(attended)
    x = x + adaptation.after_attention(index, attended)
    normed = block.norm2(x)
    x = x + block.mlp(normed)
    beside = adaptation.beside_mlp(index, normed)
    return x if beside is None else x + beside


def _attend_in_windows(block: Block, qkv: torch.Tensor) -> torch.Tensor:
    """Attention inside of windows, ``BxHxWx3C`` to ``BxHxWxC``.

    Segment-anything pads the tokens with zeros to whole windows before it projects them, so that the queries,
    keys and values of the padding are the projection's bias: no need to project it.
    """
    b, h, w, width = qkv.shape
    size = block.window_size
    padded = [-(-side // size) * size for side in (h, w)]
    if padded != [h, w]:
        bias = block.attn.qkv.bias.to(qkv.dtype)
        whole = bias.expand(b, *padded, width).clone()
        whole[:, :h, :w] = qkv
        qkv = whole
    windows, padded_size = window_partition(qkv, size)
    attended: torch.Tensor = window_unpartition(attend(block.attn, windows), size, padded_size, (h, w))
    return attended
