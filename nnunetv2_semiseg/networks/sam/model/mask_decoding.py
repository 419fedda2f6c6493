"""Segment-anything's mask decoder for a batch of images that have one prompt each, or none.

`MaskDecoder.predict_masks` pairs every image with every prompt; here image and prompt number b belong
together.
"""

from __future__ import annotations

import torch
from segment_anything.modeling import MaskDecoder, PromptEncoder


def decode_masks(
    mask_decoder: MaskDecoder,
    embeddings: torch.Tensor,
    image_pe: torch.Tensor,
    sparse: torch.Tensor,
    dense: torch.Tensor,
    num_masks: int | None = None,
) -> torch.Tensor:
    """Logits of the mask tokens; the mask-quality head is not used.

    Args:
        mask_decoder: Segment-anything's module with K mask tokens.
        embeddings: Image embeddings, ``BxPxHxW``.
        image_pe: Positional encoding of the embeddings' grid, ``1xPxHxW``.
        sparse: Point and box embeddings, ``BxNxP``; N may be 0.
        dense: Mask embeddings, ``BxPxHxW``.
        num_masks: Number of masks to compute, from the first token on; None for all. All tokens take part in
            the attention in either case, so 1 is segment-anything's ``multimask_output=False``.

    Returns:
        Logits, ``BxKx4Hx4W``, or fewer than K by ``num_masks``.
    """
    b, p, h, w = embeddings.shape
    learned = torch.cat([mask_decoder.iou_token.weight, mask_decoder.mask_tokens.weight])
    tokens = torch.cat([learned.expand(b, -1, -1), sparse], dim=1)
    tokens, source = mask_decoder.transformer(embeddings + dense, image_pe.expand(b, -1, -1, -1), tokens)
    upscaled = mask_decoder.output_upscaling(source.transpose(1, 2).reshape(b, p, h, w))
    heads = mask_decoder.output_hypernetworks_mlps[:num_masks]
    # token 0 is the mask quality's
    weights = torch.stack([head(tokens[:, 1 + i]) for i, head in enumerate(heads)], dim=1)
    return torch.einsum("bkp,bphw->bkhw", weights, upscaled)


def decode_without_prompts(
    prompt_encoder: PromptEncoder, mask_decoder: MaskDecoder, embeddings: torch.Tensor
) -> torch.Tensor:
    """Logits for images without any prompt: no points, no boxes, and the learned "no mask" embedding.

    Args:
        prompt_encoder: Segment-anything's module, for the positional encoding and the "no mask" embedding.
        mask_decoder: Segment-anything's module with K mask tokens.
        embeddings: Image embeddings, ``BxPxHxW``.

    Returns:
        Logits, ``BxKx4Hx4W``.
    """
    b, p, _, _ = embeddings.shape
    return decode_masks(
        mask_decoder,
        embeddings,
        dense_positions(prompt_encoder),
        sparse=embeddings.new_empty(b, 0, p),
        dense=prompt_encoder.no_mask_embed.weight.reshape(1, p, 1, 1),
    )


def dense_positions(prompt_encoder: PromptEncoder) -> torch.Tensor:
    """Positional encoding of the embedding grid, ``1xPxHxW``, always in float32.

    Half precision would spoil it: it is the sine of random multiples of the coordinates.
    """
    device = prompt_encoder.no_mask_embed.weight.device
    with torch.autocast(device.type, enabled=False):
        positions: torch.Tensor = prompt_encoder.get_dense_pe()
    return positions
