from __future__ import annotations

import pytest
import torch
from segment_anything.modeling.image_encoder import Attention

from nnunetv2_semiseg.networks.sam.model import attention as attention_module
from nnunetv2_semiseg.networks.sam.model.attention import _by_products, attend


def _attention(size: tuple[int, int], use_rel_pos: bool = True) -> Attention:
    attention = Attention(24, num_heads=3, use_rel_pos=use_rel_pos, input_size=size)
    if use_rel_pos:
        torch.nn.init.normal_(attention.rel_pos_h)
        torch.nn.init.normal_(attention.rel_pos_w)
    return attention


def _ours(attention: Attention, tokens: torch.Tensor) -> torch.Tensor:
    return attention.proj(attend(attention, attention.qkv(tokens)))


def _results(attention: Attention, tokens: torch.Tensor, out: torch.Tensor) -> list[torch.Tensor]:
    """The output and the gradients of a loss of it, input first."""
    loss = (out * torch.linspace(-1, 1, out.numel()).reshape(out.shape)).square().sum()
    return [out, *torch.autograd.grad(loss, [tokens, *attention.parameters()])]


@pytest.fixture(autouse=True, params=["cpu", "gpu"])
def kernel(request, monkeypatch):
    """What a GPU would be given runs on a CPU as well."""
    if request.param == "gpu":
        monkeypatch.setattr(attention_module, "_by_products", attention_module._fused)


@pytest.mark.parametrize("size", [(6, 6), (5, 7), (7, 3), (1, 4)])
@pytest.mark.parametrize("trained_size", [None, (4, 4)], ids=["fitting", "interpolated positions"])
def test_equals_segment_anything_forward_and_backward(size, trained_size):
    attention = _attention(trained_size or size)
    tokens = torch.randn(2, *size, 24, requires_grad=True)
    expected = _results(attention, tokens, attention(tokens))
    got = _results(attention, tokens, _ours(attention, tokens))
    for ours, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_without_relative_positions():
    attention = _attention((4, 5), use_rel_pos=False)
    tokens = torch.randn(2, 4, 5, 24)
    torch.testing.assert_close(_ours(attention, tokens), attention(tokens))


def test_relative_positions_matter():
    attention = _attention((6, 6))
    tokens = torch.randn(1, 6, 6, 24)
    before = _ours(attention, tokens)
    torch.nn.init.zeros_(attention.rel_pos_w)
    assert not torch.allclose(before, _ours(attention, tokens), atol=1e-3)


def test_works_under_autocast():
    attention = _attention((6, 6))
    tokens = torch.randn(2, 6, 6, 24)
    exact = _ours(attention, tokens)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = _ours(attention, tokens)
    assert rough.dtype == torch.bfloat16
    torch.testing.assert_close(rough.float(), exact, rtol=0.1, atol=0.05)


def test_large_maps_are_attended_to_one_after_the_other(monkeypatch):
    attention = _attention((6, 6))
    tokens = torch.randn(3, 6, 6, 24, requires_grad=True)
    at_once = _results(attention, tokens, _ours(attention, tokens))
    seen: list[int] = []
    whole = attention_module._attended
    monkeypatch.setattr(
        attention_module,
        "_attended",
        lambda one, qkv, *others: seen.append(len(qkv)) or whole(one, qkv, *others),
    )
    entries_of_one = 3 * 36**2
    for entries, expected in [(3 * entries_of_one - 1, [2, 1]), (1, [1, 1, 1])]:
        monkeypatch.setattr(attention_module, "MAP_ENTRIES", entries)
        seen.clear()
        with torch.no_grad():
            torch.testing.assert_close(_ours(attention, tokens), at_once[0])
        assert seen == expected
        for part, together in zip(
            _results(attention, tokens, _ours(attention, tokens)), at_once, strict=True
        ):
            torch.testing.assert_close(part, together, rtol=1e-4, atol=1e-5)


def test_heads_take_turns_in_a_pass_without_gradients(monkeypatch):
    q, k, v = (torch.randn(2, 3, count, 8, requires_grad=True) for count in (6, 9, 9))
    expected = _by_products(q, k, v, 0.5)
    seen: list[int] = []
    product = attention_module._product
    monkeypatch.setattr(
        attention_module,
        "_product",
        lambda one, *others: seen.append(one.shape[1]) or product(one, *others),
    )
    entries = 2 * 3 * 6 * 9
    for most, heads in [(entries, [3]), (entries - 1, [2, 1]), (1, [1, 1, 1])]:
        monkeypatch.setattr(attention_module, "PART_ENTRIES", most)
        seen.clear()
        with torch.no_grad():
            torch.testing.assert_close(_by_products(q, k, v, 0.5), expected)
        assert seen == heads
    seen.clear()
    _by_products(q, k, v, 0.5)
    assert seen == [3]
