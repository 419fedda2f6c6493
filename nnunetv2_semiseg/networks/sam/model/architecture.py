"""Segment-anything's architectures, and its parts with fresh weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, TwoWayTransformer
from torch import nn

from nnunetv2_semiseg.core.errors import UserError


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
        decoder_heads: Attention heads of that transformer; divides half of ``prompt_dim``.
        decoder_mlp_dim: Width of the transformer's MLPs.
        iou_head_depth: Layers of the mask-quality head.
        iou_head_dim: Hidden width of the mask-quality head.
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
"""Number of mask tokens in published weights: one for an unambiguous prompt, three for an ambiguous one."""


def build_sam_parts(
    architecture: SamArchitecture, image_size: int, num_classes: int
) -> tuple[ImageEncoderViT, PromptEncoder, MaskDecoder]:
    """Segment-anything's three parts with one mask token per class, freshly initialised.

    Args:
        architecture: Sizes.
        image_size: Side S in pixels of the square images that the encoder takes.
        num_classes: Number of mask tokens, all of which are meant to be used.

    Returns:
        Image encoder, prompt encoder and mask decoder.

    Raises:
        UserError: There are fewer than two classes.
        ValueError: ``image_size`` is no multiple of the patch size.
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
    """Raise a `UserError` unless there are background and at least one class."""
    if num_classes < 2:
        raise UserError(f"a segmentation needs background and at least one class, got {num_classes} in all")


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


def build_image_encoder(architecture: SamArchitecture, image_size: int) -> ImageEncoderViT:
    """The image encoder alone, freshly initialised; its positions start at zero."""
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
