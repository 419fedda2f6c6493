"""Segment-anything's parts at any size, and its image encoder frozen, shared and adaptable per call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import torch
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, TwoWayTransformer
from segment_anything.modeling.image_encoder import Block, window_partition, window_unpartition
from torch import nn

from nnunetv2_semiseg.networks.adaptation import EncoderAdaptation
from nnunetv2_semiseg.networks.attention import attend


@dataclass(frozen=True)
class SamArchitecture:
    """Sizes of a segment-anything model; the defaults are those that all published ones share.

    Attributes:
        embed_dim: Length of a token in the image encoder, C.
        depth: Blocks of the image encoder.
        num_heads: Attention heads of a block; divides ``embed_dim``.
        global_attention_blocks: Numbers (from 0) of the blocks that attend over the whole image.
        window_size: Side in tokens of the windows in which the other blocks attend.
        patch_size: Side in pixels of a token.
        mlp_ratio: Width of the MLP in a block over ``embed_dim``.
        prompt_dim: Channels P of image and prompt embeddings; a multiple of 8.
        mask_prompt_channels: Hidden channels of the mask prompt's encoder; a multiple of 4. A quarter of
            them goes through a layer norm, which makes a constant of a single one.
        decoder_depth: Layers of the mask decoder's transformer.
        decoder_heads: Its attention heads; divides half of ``prompt_dim``.
        decoder_mlp_dim: Width of its MLPs.
        iou_head_depth: Layers of the mask-quality head.
        iou_head_dim: Its hidden width.
    """

    embed_dim: int
    depth: int
    num_heads: int
    global_attention_blocks: tuple[int, ...]
    window_size: int = 14
    patch_size: int = 16
    mlp_ratio: float = 4.0
    prompt_dim: int = 256
    mask_prompt_channels: int = 16
    decoder_depth: int = 2
    decoder_heads: int = 8
    decoder_mlp_dim: int = 2048
    iou_head_depth: int = 3
    iou_head_dim: int = 256


SAM_ARCHITECTURES: Mapping[str, SamArchitecture] = MappingProxyType(
    {
        "vit_b": SamArchitecture(768, 12, 12, (2, 5, 8, 11)),
        "vit_l": SamArchitecture(1024, 24, 16, (5, 11, 17, 23)),
        "vit_h": SamArchitecture(1280, 32, 16, (7, 15, 23, 31)),
        "vit_small": SamArchitecture(
            192,
            6,
            3,
            (2, 5),
            window_size=8,
            prompt_dim=64,
            decoder_heads=4,
            decoder_mlp_dim=256,
            iou_head_dim=64,
        ),
        "vit_tiny": SamArchitecture(
            24,
            2,
            2,
            (1,),
            window_size=4,
            mlp_ratio=2.0,
            prompt_dim=16,
            decoder_heads=2,
            decoder_mlp_dim=32,
            iou_head_dim=16,
        ),
    }
)
"""Sizes by the names that `FoundationConfig.architecture` takes."""

PUBLISHED_MASK_TOKENS = 4
"""Of the published weights: the first is for an unambiguous prompt, three are for an ambiguous one."""


def build_sam_parts(
    architecture: SamArchitecture, image_size: int, num_classes: int
) -> tuple[ImageEncoderViT, PromptEncoder, MaskDecoder]:
    """Segment-anything's three parts with one mask token per class, freshly initialised.

    Args:
        architecture: Sizes.
        image_size: Side S in pixels of the square images that the encoder takes.
        num_classes: Number of mask tokens; all of them are meant to be used.

    Returns:
        Image encoder, prompt encoder and mask decoder.

    Raises:
        ValueError: ``image_size`` is no multiple of the patch size, or there are fewer than two classes.
    """
    check_num_classes(num_classes)
    return _build_parts(architecture, image_size, num_classes)


def build_published_sam_parts(
    architecture: SamArchitecture, image_size: int
) -> tuple[ImageEncoderViT, PromptEncoder, MaskDecoder]:
    """Segment-anything's three parts with the mask tokens of the published weights, for use with prompts.

    Args:
        architecture: Sizes.
        image_size: Side S in pixels of the square images that the encoder takes.

    Returns:
        Image encoder, prompt encoder and mask decoder, freshly initialised.

    Raises:
        ValueError: ``image_size`` is no multiple of the patch size.
    """
    return _build_parts(architecture, image_size, PUBLISHED_MASK_TOKENS)


def check_num_classes(num_classes: int) -> None:
    """Raise a ValueError unless there are background and a class."""
    if num_classes < 2:
        raise ValueError(f"a segmentation needs background and at least one class, got {num_classes} in all")


def _build_parts(
    architecture: SamArchitecture, image_size: int, mask_tokens: int
) -> tuple[ImageEncoderViT, PromptEncoder, MaskDecoder]:
    if image_size < 1 or image_size % architecture.patch_size:
        raise ValueError(
            f"image size must be a positive multiple of {architecture.patch_size}, got {image_size}"
        )
    grid = image_size // architecture.patch_size
    prompt_encoder = PromptEncoder(
        embed_dim=architecture.prompt_dim,
        image_embedding_size=(grid, grid),
        input_image_size=(image_size, image_size),
        mask_in_chans=architecture.mask_prompt_channels,
    )
    return (
        build_image_encoder(architecture, image_size),
        prompt_encoder,
        _mask_decoder(architecture, mask_tokens),
    )


class SamEncoder(nn.Module):
    """A frozen image encoder that takes an adaptation with every call.

    The frozen weights exist once; student and teacher call the same encoder with adaptations of their own.
    Never trained: no parameter takes gradients, and ``train()`` leaves it in evaluation mode.
    """

    def __init__(self, vit: ImageEncoderViT) -> None:
        """Freeze an encoder.

        Args:
            vit: Segment-anything's encoder, used rather than copied.
        """
        super().__init__()
        self.vit = vit
        self.unadapted = EncoderAdaptation()
        self.requires_grad_(False)
        self.train(False)

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
        x = self.vit.patch_embed(images) + self.vit.pos_embed
        for index, block in enumerate(self.vit.blocks):
            x = run_block(block, index, x, adaptation)
        embeddings: torch.Tensor = self.vit.neck(x.permute(0, 3, 1, 2))
        return embeddings

    def train(self, mode: bool = True) -> SamEncoder:
        """Stay in evaluation mode, whatever ``mode`` says."""
        super().train(False)
        return self


def run_block(block: Block, index: int, x: torch.Tensor, adaptation: EncoderAdaptation) -> torch.Tensor:
    """One transformer block with the adaptation's hooks, ``BxHxWxC`` in and out."""
    tokens = block.norm1(x)
    if block.window_size > 0:
        tokens, padded_size = window_partition(tokens, block.window_size)
    attended = attend(block.attn, adaptation.qkv(index, tokens, block.attn.qkv(tokens)))
    if block.window_size > 0:
        attended = window_unpartition(attended, block.window_size, padded_size, x.shape[1:3])
    x = x + adaptation.after_attention(index, attended)
    normed = block.norm2(x)
    x = x + block.mlp(normed)
    beside = adaptation.beside_mlp(index, normed)
    return x if beside is None else x + beside


def build_image_encoder(architecture: SamArchitecture, image_size: int) -> ImageEncoderViT:
    """The first of `build_sam_parts` alone; its positions start at zero."""
    return ImageEncoderViT(
        img_size=image_size,
        patch_size=architecture.patch_size,
        embed_dim=architecture.embed_dim,
        depth=architecture.depth,
        num_heads=architecture.num_heads,
        mlp_ratio=architecture.mlp_ratio,
        out_chans=architecture.prompt_dim,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        window_size=architecture.window_size,
        global_attn_indexes=architecture.global_attention_blocks,
    )


def _mask_decoder(architecture: SamArchitecture, mask_tokens: int) -> MaskDecoder:
    transformer = TwoWayTransformer(
        depth=architecture.decoder_depth,
        embedding_dim=architecture.prompt_dim,
        num_heads=architecture.decoder_heads,
        mlp_dim=architecture.decoder_mlp_dim,
    )
    return MaskDecoder(
        transformer_dim=architecture.prompt_dim,
        transformer=transformer,
        # segment-anything adds one token for the case of an unambiguous prompt
        num_multimask_outputs=mask_tokens - 1,
        iou_head_depth=architecture.iou_head_depth,
        iou_head_hidden_dim=architecture.iou_head_dim,
    )
