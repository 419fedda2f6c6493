"""Deep supervision's outputs."""

from __future__ import annotations

import torch
from torch import nn

from nnunetv2_semiseg.networks.outputs import full_resolution, set_deep_supervision, split_batch


class Decoder(nn.Module):
    deep_supervision = True


def test_every_decoder_is_switched() -> None:
    network = nn.ModuleList([Decoder(), nn.Sequential(Decoder())])
    assert set_deep_supervision(network, False) is network
    assert not any(part.deep_supervision for part in network.modules() if isinstance(part, Decoder))


def test_outputs_are_split_level_by_level() -> None:
    levels = [torch.arange(3.0), torch.arange(3.0) * 10]
    first, rest = split_batch(levels, 1)
    assert [level.tolist() for level in first] == [[0], [0]]
    assert [level.tolist() for level in rest] == [[1, 2], [10, 20]]
    assert full_resolution(levels) is levels[0]
    assert full_resolution(levels[0]) is levels[0]
