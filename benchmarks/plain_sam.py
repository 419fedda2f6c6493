"""The yardstick of the foundation branch: segment_anything's own modules, used in the simplest way.

Full precision, attention maps written out, LoRA as two separate layers around the projection, one image
after the other through the mask decoder, and a second full copy as teacher whose every tensor is averaged.
"""

from __future__ import annotations

import copy

import torch
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder
from torch import nn

from nnunetv2_semiseg.networks.sam.model.architecture import SAM_ARCHITECTURES, build_sam_parts
from nnunetv2_semiseg.networks.sam.semantic import SemanticSam

LORA_RANK = 4


class LoraProjection(nn.Module):
    """A frozen ``qkv`` projection with low-rank updates of queries and values."""

    def __init__(self, qkv: nn.Linear) -> None:
        """Wrap a projection."""
        super().__init__()
        self.qkv, width = qkv, qkv.in_features
        self.updates = nn.ModuleList(
            nn.Sequential(nn.Linear(width, LORA_RANK, bias=False), nn.Linear(LORA_RANK, width, bias=False))
            for _ in range(2)
        )

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Project tokens ``...xC`` to queries, keys and values ``...x3C``."""
        out: torch.Tensor = self.qkv(tokens)
        width = tokens.shape[-1]
        out[..., :width] += self.updates[0](tokens)
        out[..., -width:] += self.updates[1](tokens)
        return out


class PlainSam(nn.Module):
    """Segment-anything without prompts, one mask per class."""

    def __init__(self, architecture: str, image_size: int, num_classes: int) -> None:
        """Build with random weights; the encoder is frozen but for LoRA."""
        super().__init__()
        parts = build_sam_parts(SAM_ARCHITECTURES[architecture], image_size, num_classes)
        self.encoder: ImageEncoderViT = parts[0].requires_grad_(False)
        self.prompts: PromptEncoder = parts[1]
        self.decoder: MaskDecoder = parts[2]
        for block in self.encoder.blocks:
            block.attn.qkv = LoraProjection(block.attn.qkv)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Segment prepared images ``Bx3xSxS`` into logits ``BxKx(S/4)x(S/4)``."""
        masks = []
        for embedding in self.encoder(images):
            sparse, dense = self.prompts(points=None, boxes=None, masks=None)
            logits, _ = self.decoder.predict_masks(
                image_embeddings=embedding[None],
                image_pe=self.prompts.get_dense_pe(),
                sparse_prompt_embeddings=sparse.expand(1, -1, -1),
                dense_prompt_embeddings=dense,
            )
            masks.append(logits)
        return torch.cat(masks)

    def take_weights(self, sam: SemanticSam) -> None:
        """Copy the weights of this package's model."""
        encoder = {
            name.replace(".attn.qkv.", ".attn.qkv.qkv."): tensor
            for name, tensor in sam.encoder.vit.state_dict().items()
        }
        for name, tensor in sam.trained.lora.state_dict().items():
            updated, block, layer, kind = name.split(".")
            path = f"blocks.{block}.attn.qkv.updates.{'qv'.index(updated)}.{'AB'.index(layer)}.{kind}"
            encoder[path] = tensor
        self.encoder.load_state_dict(encoder)
        self.prompts.load_state_dict(sam.trained.prompt_encoder.state_dict())
        self.decoder.load_state_dict(sam.trained.mask_decoder.state_dict())

    def teacher(self) -> PlainSam:
        """A full copy, frozen encoder included."""
        return copy.deepcopy(self).requires_grad_(False).eval()


@torch.no_grad()
def move_teacher(teacher: nn.Module, student: nn.Module, decay: float = 0.99) -> None:
    """Move every floating-point tensor by a moving average, one after the other."""
    for old, new in zip(teacher.state_dict().values(), student.state_dict().values(), strict=True):
        if old.is_floating_point():
            old.mul_(decay).add_(new, alpha=1 - decay)
