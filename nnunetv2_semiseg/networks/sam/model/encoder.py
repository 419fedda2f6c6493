"""Segment-anything's image encoder: frozen, shared, and adaptable per call."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from segment_anything.modeling import ImageEncoderViT
from segment_anything.modeling.image_encoder import Block
from torch import nn
from torch.utils.checkpoint import checkpoint

from nnunetv2_semiseg.networks.sam.model.adaptation import EncoderAdaptation
from nnunetv2_semiseg.networks.sam.model.attention import attend
from nnunetv2_semiseg.networks.sam.model.window_attention import attend_in_windows


def _cpu_computes_bfloat16() -> bool:
    """Without the instructions bfloat16 is emulated, slower than float32."""
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in names)


CPU_COMPUTES_BFLOAT16 = _cpu_computes_bfloat16()


class SamEncoder(nn.Module):
    """A frozen image encoder that takes an adaptation with every call.

    The frozen weights exist once; student and teacher call the same encoder with adaptations of their own.
    Never trained: no parameter takes gradients, and ``train()`` leaves it in evaluation mode.

    Mixed precision is for the blocks alone. Where patches are embedded and in the neck, hundredths of the
    operations, half precision would add as much to the embeddings' error as all blocks together.

    Attributes:
        checkpointing: See the constructor.
        predicts: True in a network for prediction: ``eval()`` holds the blocks' linear layers in bfloat16 if
            they are on a CPU that computes in it, until they leave the CPU. nnU-Net's predictor, which has
            mixed precision on GPUs only, calls it before it predicts.
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
        """Keep the blocks' linear layers in half precision.

        Autocast would bring them there anew in every pass, with the same result. Positions and layer norms
        stay in float32. The blocks work in mixed precision from now on, inside of autocast or not.

        Args:
            dtype: ``torch.bfloat16`` or ``torch.float16``.
        """
        self._bring_linear_layers_to(dtype)
        self._held_in = dtype

    def _bring_linear_layers_to(self, dtype: torch.dtype) -> None:
        # nnU-Net's predictor calls `eval()` in inference mode, whose tensors no gradient could pass
        with torch.inference_mode(False):
            for module in self.vit.blocks.modules():
                if isinstance(module, nn.Linear):
                    module.to(dtype)

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
            Embeddings, ``BxPx(S/16)x(S/16)``, in float32.
        """
        adaptation = self.unadapted if adaptation is None else adaptation
        device = images.device.type
        with torch.autocast(device, enabled=False):
            # contiguous, or each layer norm and addition of the blocks would go through transposed memory
            x = (self.vit.patch_embed(images.float()) + self.vit.pos_embed).contiguous()
        with self._autocast(device):
            for index, block in enumerate(self.vit.blocks):
                x = self._run(block, index, x, adaptation)
        with torch.autocast(device, enabled=False):
            embeddings: torch.Tensor = self.vit.neck(x.permute(0, 3, 1, 2))
        return embeddings

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
        return nullcontext() if dtype is None else torch.autocast(device_type, dtype, cache_enabled=False)

    def train(self, mode: bool = True) -> SamEncoder:
        """Stay in evaluation mode, whatever ``mode`` says; see ``predicts`` for ``eval()``."""
        super().train(False)
        if self.predicts and not mode and self._on_a_cpu() and CPU_COMPUTES_BFLOAT16:
            self.hold_in(torch.bfloat16)
        return self

    def _apply(self, *arguments: Any, **options: Any) -> SamEncoder:
        """What `to()` and its like end in: a GPU predicts in the precision that its caller chooses."""
        super()._apply(*arguments, **options)
        if self.predicts and self._held_in is not None and not self._on_a_cpu():
            self._bring_linear_layers_to(torch.float32)
            self._held_in = None
        return self

    def _on_a_cpu(self) -> bool:
        return self.vit.pos_embed.device.type == "cpu"


def run_block(block: Block, index: int, x: torch.Tensor, adaptation: EncoderAdaptation) -> torch.Tensor:
    """One transformer block with the adaptation's hooks, ``BxHxWxC`` in and out."""
    tokens = block.norm1(x)
    qkv = adaptation.qkv(index, tokens, block.attn.qkv(tokens))
    attended = attend_in_windows(block, qkv) if block.window_size > 0 else attend(block.attn, qkv)
    attended = block.attn.proj(attended)
    x = x + adaptation.after_attention(index, attended)
    normed = block.norm2(x)
    x = x + block.mlp(normed)
    beside = adaptation.beside_mlp(index, normed)
    return x if beside is None else x + beside
