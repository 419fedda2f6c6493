from __future__ import annotations

import torch
from torch import nn

from nnunetv2_semiseg.networks.sam.model.adaptation import LoraAdaptation


def _awake() -> LoraAdaptation:
    lora = LoraAdaptation(embed_dim=6, depth=2, rank=3)
    for parameter in lora.parameters():
        nn.init.normal_(parameter)
    return lora


def test_fresh_lora_changes_nothing():
    lora, tokens, qkv = LoraAdaptation(6, 2, 3), torch.randn(2, 4, 4, 6), torch.randn(2, 4, 4, 18)
    assert torch.equal(lora.qkv(1, tokens, qkv), qkv)
    assert all(parameter.abs().max() > 0 for name, parameter in lora.named_parameters() if ".A." in name)


def test_only_queries_and_values_change():
    tokens, qkv = torch.randn(2, 4, 4, 6), torch.randn(2, 4, 4, 18)
    change = (_awake().qkv(0, tokens, qkv) - qkv).abs().amax(dim=(0, 1, 2))
    assert (change[:6] > 0).all()
    assert (change[6:12] == 0).all()
    assert (change[12:] > 0).all()


def test_update_is_b_of_a():
    lora, tokens = _awake(), torch.randn(1, 1, 1, 6)
    update = lora.qkv(1, tokens, torch.zeros(1, 1, 1, 18))[..., 12:]
    torch.testing.assert_close(update, tokens @ lora.v[1].A.weight.T @ lora.v[1].B.weight.T)
