from __future__ import annotations

import pytest
import torch
from segment_anything import sam_model_registry
from segment_anything.modeling import PromptEncoder
from torch import nn

from nnunetv2_semiseg.networks.sam.model.adaptation import EncoderAdaptation, LoraAdaptation
from nnunetv2_semiseg.networks.sam.model.architecture import (
    SAM_ARCHITECTURES,
    build_published_sam_parts,
    build_sam_parts,
)
from nnunetv2_semiseg.networks.sam.model.encoder import SamEncoder

TINY = SAM_ARCHITECTURES["vit_tiny"]


def _encoder() -> SamEncoder:
    """At an image size of 96 the windows of side 4 need padding: the grid has side 6."""
    encoder = SamEncoder(build_sam_parts(TINY, image_size=96, num_classes=2)[0])
    for parameter in encoder.parameters():
        nn.init.normal_(parameter, std=0.2)
    return encoder


@pytest.mark.parametrize("name", ["vit_b", "vit_l", "vit_h"])
def test_published_architectures_have_segment_anythings_weights(name):
    with torch.device("meta"):
        theirs = sam_model_registry[name]().state_dict()
        parts = build_published_sam_parts(SAM_ARCHITECTURES[name], image_size=1024)
    named = zip(("image_encoder", "prompt_encoder", "mask_decoder"), parts, strict=True)
    ours = {f"{part}.{key}": t for part, module in named for key, t in module.state_dict().items()}
    assert {key: t.shape for key, t in ours.items()} == {key: t.shape for key, t in theirs.items()}


@pytest.mark.parametrize("name", SAM_ARCHITECTURES)
def test_published_architectures_attend_like_segment_anything(name):
    architecture = SAM_ARCHITECTURES[name]
    with torch.device("meta"):
        vit = build_sam_parts(architecture, image_size=512, num_classes=2)[0]
        theirs = sam_model_registry.get(name, lambda: None)()
    windows = [block.window_size for block in vit.blocks]
    assert [i for i, size in enumerate(windows) if size == 0] == list(architecture.global_attention_blocks)
    assert {size for size in windows if size} == {architecture.window_size}
    if theirs is not None:
        assert windows == [block.window_size for block in theirs.image_encoder.blocks]
        assert vit.blocks[0].attn.num_heads == theirs.image_encoder.blocks[0].attn.num_heads


def test_encoder_equals_segment_anything_forward_and_backward():
    encoder, images = _encoder(), torch.randn(2, 3, 96, 96, requires_grad=True)
    expected, got = encoder.vit(images), encoder(images)
    assert got.shape == (2, TINY.prompt_dim, 6, 6)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    gradients = [torch.autograd.grad(out.square().sum(), images)[0] for out in (got, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-4)


def test_fresh_lora_and_identity_adaptation_equal_none():
    encoder, images = _encoder(), torch.randn(2, 3, 96, 96)
    for adaptation in (EncoderAdaptation(), LoraAdaptation(TINY.embed_dim, TINY.depth, rank=2)):
        assert torch.equal(encoder(images, adaptation), encoder(images))


def test_encoder_is_frozen_and_stays_in_evaluation():
    encoder = _encoder()
    nn.ModuleList([encoder]).train()
    assert encoder.train() is encoder
    assert not any(module.training for module in encoder.modules())
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


class _Adapters(EncoderAdaptation):
    """Records what the hooks see and changes what they return."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, int, tuple[int, ...]]] = []

    def qkv(self, block_index, tokens, qkv):
        assert qkv.shape == (*tokens.shape[:3], 3 * tokens.shape[3])
        self.seen.append(("qkv", block_index, tuple(tokens.shape)))
        return qkv

    def after_attention(self, block_index, x):
        self.seen.append(("after_attention", block_index, tuple(x.shape)))
        return 2 * x

    def beside_mlp(self, block_index, normed_tokens):
        self.seen.append(("beside_mlp", block_index, tuple(normed_tokens.shape)))
        return 0.5 * normed_tokens if block_index else None


def test_hooks_stand_where_adapters_belong():
    """One adapter changes the attention's output before the skip, one adds to the MLP's output."""
    encoder, adapters, images = _encoder(), _Adapters(), torch.randn(2, 3, 96, 96)
    got = encoder(images, adapters)
    grid = (2, 6, 6, 24)
    assert adapters.seen == [
        ("qkv", 0, grid), ("after_attention", 0, grid), ("beside_mlp", 0, grid),
        ("qkv", 1, grid), ("after_attention", 1, grid), ("beside_mlp", 1, grid),
    ]  # fmt: skip
    for block in encoder.vit.blocks:
        block.attn.proj.weight *= 2
        block.attn.proj.bias *= 2
    x = encoder.vit.blocks[0](encoder.vit.patch_embed(images) + encoder.vit.pos_embed)
    block = encoder.vit.blocks[1]
    x = x + block.attn(block.norm1(x))
    x = x + block.mlp(block.norm2(x)) + 0.5 * block.norm2(x)
    torch.testing.assert_close(got, encoder.vit.neck(x.permute(0, 3, 1, 2)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SAM_ARCHITECTURES)
def test_mask_prompts_come_through(name):
    """A layer norm over one channel is constant: a trial architecture once was blind to its mask prompts."""
    architecture = SAM_ARCHITECTURES[name]
    prompt_encoder = PromptEncoder(
        architecture.prompt_dim, (2, 2), (32, 32), architecture.mask_prompt_channels
    )
    embedded = prompt_encoder.mask_downscaling(torch.randn(2, 1, 8, 8))
    assert (embedded[0] - embedded[1]).abs().max() > 0.01


@pytest.mark.parametrize("image_size", [0, -16, 100])
def test_image_size_that_does_not_fit_is_refused(image_size):
    with pytest.raises(ValueError, match=f"multiple of 16, got {image_size}"):
        build_sam_parts(TINY, image_size, num_classes=2)


def test_single_class_is_refused():
    with pytest.raises(ValueError, match="at least one class, got 1"):
        build_sam_parts(TINY, image_size=96, num_classes=1)
