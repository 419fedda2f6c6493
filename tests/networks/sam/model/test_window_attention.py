from __future__ import annotations

import pytest
import torch
from segment_anything.modeling.image_encoder import Block

from nnunetv2_semiseg.networks.sam.model import attention, window_attention
from nnunetv2_semiseg.networks.sam.model.encoder import EncoderAdaptation, run_block

WIDTH = 12


def _block() -> Block:
    block = Block(WIDTH, num_heads=2, use_rel_pos=True, window_size=4)
    for positions in (block.attn.rel_pos_h, block.attn.rel_pos_w):
        torch.nn.init.normal_(positions)
    return block


def _ours(block: Block, tokens: torch.Tensor) -> torch.Tensor:
    return run_block(block, 0, tokens, EncoderAdaptation())


@pytest.mark.parametrize("at_once", [False, True], ids=["cpu", "gpu"])
@pytest.mark.parametrize("size", [(8, 4), (6, 6), (9, 4), (4, 7), (3, 2), (11, 13)])
def test_equals_segment_anything_forward_and_backward(monkeypatch, size, at_once) -> None:
    """What a GPU would be given runs on a CPU as well."""
    monkeypatch.setattr(window_attention, "_all_windows_at_once", lambda qkv: at_once)
    block, tokens = _block(), torch.randn(2, *size, WIDTH, requires_grad=True)
    results = []
    for out in (block(tokens), _ours(block, tokens)):
        loss = (out * torch.linspace(-1, 1, out.numel()).reshape(out.shape)).square().sum()
        results.append([out, *torch.autograd.grad(loss, [tokens, *block.parameters()])])
    for theirs, ours in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_padding_sends_no_queries_on_a_cpu(monkeypatch) -> None:
    """6 x 6 tokens in windows of 4 x 4 are padded to 8 x 8."""
    pairs = []
    kernel = attention._by_products

    def counted(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scale: float) -> torch.Tensor:
        pairs.append(len(q) * q.shape[2] * k.shape[2])
        return kernel(q, k, v, scale)

    monkeypatch.setattr(attention, "_by_products", counted)
    with torch.no_grad():
        _ours(_block(), torch.rand(2, 6, 6, WIDTH))
    assert sum(pairs) == 2 * 36 * 16
