from __future__ import annotations

import torch
from segment_anything.modeling.image_encoder import Block, window_partition, window_unpartition
from torch import nn

from nnunetv2_semiseg.networks.sam.model.adaptation import AdapterAdaptation
from nnunetv2_semiseg.networks.sam.model.architecture import SAM_ARCHITECTURES, build_sam_parts
from nnunetv2_semiseg.networks.sam.model.attention import attend
from nnunetv2_semiseg.networks.sam.model.encoder import SamEncoder, run_block

TINY = SAM_ARCHITECTURES["vit_tiny"]
THEIR_NAMES = {"attention": "Space_Adapter", "mlp": "MLP_Adapter"}


def _golden_block(numbers: dict[str, torch.Tensor], kind: str) -> tuple[Block, AdapterAdaptation]:
    """Segment-anything's block and one block's adapters with the golden weights, ratio 1/4 of 24."""
    window = int(numbers["in_window_size"]) if kind == "window" else 0
    block = Block(
        dim=24,
        num_heads=3,
        mlp_ratio=2.0,
        norm_layer=lambda dim: nn.LayerNorm(dim, eps=1e-6),
        use_rel_pos=True,
        window_size=window,
        input_size=(6, 6),
    )
    prefix = f"{kind}.param."
    state = {key.removeprefix(prefix): value for key, value in numbers.items() if key.startswith(prefix)}
    adapters = AdapterAdaptation(embed_dim=24, depth=1, ratio=0.25)
    adapters.load_state_dict(
        {
            f"{ours}.0.fc{layer}.{tensor}": state.pop(f"{theirs}.D_fc{layer}.{tensor}")
            for ours, theirs in THEIR_NAMES.items()
            for layer in (1, 2)
            for tensor in ("weight", "bias")
        }
    )
    block.load_state_dict(state)
    return block, adapters


def test_golden_global_block(golden_file):
    numbers = golden_file("sam_adapter_block.npz")
    block, adapters = _golden_block(numbers, "global")
    got = run_block(block, 0, numbers["global.in_tokens"], adapters)
    torch.testing.assert_close(got, numbers["global.out_tokens"], rtol=1e-4, atol=1e-5)
    # the golden block attends with SAM's relative positions
    block.attn.use_rel_pos = False
    without = run_block(block, 0, numbers["global.in_tokens"], adapters)
    assert (without - got).abs().max() > 0.01


def test_golden_windowed_block(golden_file):
    """The adapters are the golden block's, the order around them is not.

    The golden block cuts and pads the windows first and normalises then, so that the padding takes part in
    the attention as norm1's bias. Segment-anything normalises first, and pads with zeros; its published
    weights were trained like that, so `run_block` keeps to it, and the other order stands here.
    """
    numbers = golden_file("sam_adapter_block.npz")
    block, adapters = _golden_block(numbers, "window")
    x, window = numbers["window.in_tokens"], block.window_size
    tokens, padded = window_partition(x, window)
    attended = block.attn.proj(attend(block.attn, block.attn.qkv(block.norm1(tokens))))
    y = x + adapters.after_attention(0, window_unpartition(attended, window, padded, (6, 6)))
    normed = block.norm2(y)
    got = y + block.mlp(normed) + adapters.beside_mlp(0, normed)
    torch.testing.assert_close(got, numbers["window.out_tokens"], rtol=1e-4, atol=1e-5)


def test_windowed_block_keeps_segment_anythings_order(golden_file):
    numbers = golden_file("sam_adapter_block.npz")
    block, _ = _golden_block(numbers, "window")
    x = numbers["window.in_tokens"]
    fresh = AdapterAdaptation(embed_dim=24, depth=1)
    torch.testing.assert_close(run_block(block, 0, x, fresh), block(x), rtol=1e-4, atol=1e-5)


def _encoder() -> SamEncoder:
    encoder = SamEncoder(build_sam_parts(TINY, image_size=96, num_classes=2)[0])
    for parameter in encoder.parameters():
        nn.init.normal_(parameter, std=0.2)
    return encoder


def test_fresh_adapters_change_nothing():
    encoder, images = _encoder(), torch.randn(2, 3, 96, 96)
    adapters = AdapterAdaptation(TINY.embed_dim, TINY.depth)
    assert torch.equal(encoder(images, adapters), encoder(images))


def test_every_adapter_counts_and_learns():
    encoder, images = _encoder(), torch.randn(2, 3, 96, 96)
    adapters = AdapterAdaptation(TINY.embed_dim, TINY.depth)
    for parameter in adapters.parameters():
        nn.init.normal_(parameter)
    encoder(images, adapters).square().mean().backward()
    for name, parameter in adapters.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    assert not any(parameter.grad is not None for parameter in encoder.parameters())


def test_ratio_is_the_bottlenecks_width():
    adapters = AdapterAdaptation(embed_dim=24, depth=2, ratio=0.25)
    assert [part.fc1.out_features for part in (*adapters.attention, *adapters.mlp)] == [6] * 4
    assert AdapterAdaptation(embed_dim=24, depth=1, ratio=0.01).mlp[0].fc1.out_features == 1
