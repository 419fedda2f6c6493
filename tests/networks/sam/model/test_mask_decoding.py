from __future__ import annotations

import pytest
import torch

from nnunetv2_semiseg.networks.sam.model.architecture import SAM_ARCHITECTURES, build_sam_parts
from nnunetv2_semiseg.networks.sam.model.mask_decoding import (
    decode_masks,
    decode_without_prompts,
    dense_positions,
)


def _parts():
    return build_sam_parts(SAM_ARCHITECTURES["vit_tiny"], image_size=96, num_classes=4)[1:]


def _looped(mask_decoder, embeddings, image_pe, sparse, dense):
    """Segment-anything's own decoder, one image and one prompt at a time."""
    rows = range(len(embeddings))
    return torch.cat(
        [mask_decoder.predict_masks(embeddings[[i]], image_pe, sparse[[i]], dense[[i]])[0] for i in rows]
    )


def test_batch_without_prompts_equals_one_by_one():
    prompt_encoder, mask_decoder = _parts()
    embeddings = torch.randn(3, 16, 6, 6)
    sparse, dense = prompt_encoder(points=None, boxes=None, masks=None)
    expected = _looped(
        mask_decoder,
        embeddings,
        prompt_encoder.get_dense_pe(),
        sparse.expand(3, -1, -1),
        dense.expand(3, -1, -1, -1),
    )
    got = decode_without_prompts(prompt_encoder, mask_decoder, embeddings)
    assert got.shape == (3, 4, 24, 24)
    torch.testing.assert_close(got, expected)


def test_batch_with_own_prompts_equals_one_by_one():
    prompt_encoder, mask_decoder = _parts()
    embeddings, boxes = torch.randn(3, 16, 6, 6), torch.rand(3, 4) * 90
    sparse, dense = prompt_encoder(points=None, boxes=boxes, masks=torch.randn(3, 1, 24, 24))
    arguments = embeddings, prompt_encoder.get_dense_pe(), sparse, dense
    torch.testing.assert_close(decode_masks(mask_decoder, *arguments), _looped(mask_decoder, *arguments))


@pytest.mark.parametrize("num_masks", [1, 2])
def test_fewer_masks_are_the_first_of_all(num_masks):
    prompt_encoder, mask_decoder = _parts()
    embeddings, boxes = torch.randn(2, 16, 6, 6), torch.rand(2, 4) * 90
    sparse, dense = prompt_encoder(points=None, boxes=boxes, masks=None)
    arguments = mask_decoder, embeddings, prompt_encoder.get_dense_pe(), sparse, dense
    fewer = decode_masks(*arguments, num_masks=num_masks)
    torch.testing.assert_close(fewer, decode_masks(*arguments)[:, :num_masks])


def test_positions_stay_exact_under_autocast():
    prompt_encoder, _ = _parts()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        positions = dense_positions(prompt_encoder)
    assert torch.equal(positions, prompt_encoder.get_dense_pe())
