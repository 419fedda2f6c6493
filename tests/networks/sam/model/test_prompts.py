from __future__ import annotations

import pytest
import torch

from nnunetv2_semiseg.networks.sam.model.architecture import SAM_ARCHITECTURES, build_published_sam_parts
from nnunetv2_semiseg.networks.sam.model.prompts import BoxPromptDecoders, corner_embeddings, mask_prompts


@pytest.fixture
def prompt_encoder():
    return build_published_sam_parts(SAM_ARCHITECTURES["vit_tiny"], image_size=96)[1]


def _only_class(decoders: BoxPromptDecoders, k: int) -> BoxPromptDecoders:
    """The decoder of class ``k`` alone: its part of every weight, all of which lie class by class."""
    single = BoxPromptDecoders(1, prompt_dim=16)
    single.load_state_dict(
        {name: t.chunk(decoders.num_classes)[k] for name, t in decoders.state_dict().items()}
    )
    return single


@pytest.mark.parametrize("grid", [(6, 6), (2, 2), (5, 8)])
def test_all_decoders_at_once_equal_one_after_the_other(grid):
    decoders, embeddings = BoxPromptDecoders(3, prompt_dim=16), torch.randn(2, 16, *grid)
    for parameter in decoders.parameters():
        torch.nn.init.normal_(parameter)
    prompts = decoders(embeddings)
    assert prompts.shape == (2, 3, 2, 16)
    for k in range(3):
        torch.testing.assert_close(prompts[:, [k]], _only_class(decoders, k)(embeddings))


def test_prompts_differ_by_image_class_and_corner():
    prompts = BoxPromptDecoders(3, prompt_dim=16)(torch.randn(2, 16, 6, 6))
    assert len(prompts.flatten(0, 2).unique(dim=0)) == 2 * 3 * 2


def test_mask_prompts_are_segment_anythings(prompt_encoder):
    logits = torch.randn(2, 3, 24, 24)
    embedded = mask_prompts(prompt_encoder, logits)
    for image in range(2):
        for k in range(3):
            _, expected = prompt_encoder(points=None, boxes=None, masks=logits[image, k][None, None])
            torch.testing.assert_close(embedded[[image * 3 + k]], expected)


@pytest.mark.parametrize("size", [(96, 96), (50, 70), (12, 12)])
def test_mask_prompts_of_any_size_are_resized(prompt_encoder, size):
    logits = torch.randn(1, 2, *size)
    resized = torch.nn.functional.interpolate(logits, (24, 24), mode="bilinear")
    embedded = mask_prompts(prompt_encoder, logits)
    assert embedded.shape == (2, 16, 6, 6)
    torch.testing.assert_close(embedded, mask_prompts(prompt_encoder, resized))


def test_mask_prompts_pass_no_gradient_on(prompt_encoder):
    logits = torch.randn(1, 2, 24, 24, requires_grad=True)
    mask_prompts(prompt_encoder, logits).sum().backward()
    assert logits.grad is None


def test_corners_are_segment_anythings(prompt_encoder):
    box = torch.rand(1, 4) * 90
    sparse, _ = prompt_encoder(points=None, boxes=box, masks=None)
    positions = prompt_encoder.pe_layer.forward_with_coords(box.reshape(1, 2, 2) + 0.5, (96, 96))
    torch.testing.assert_close(positions + corner_embeddings(prompt_encoder), sparse)
