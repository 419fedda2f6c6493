"""Low-rank updates of a frozen encoder's queries and values (LoRA, Hu et al. 2022)."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import nn
from torch.nn import functional as F

from nnunetv2_semiseg.networks.adaptation import EncoderAdaptation


class LowRankUpdate(nn.Module):
    """``x -> B(A x)`` without biases, zero at the start because B is."""

    def __init__(self, dim: int, rank: int) -> None:
        """Start as zero.

        Args:
            dim: Length of a token, C.
            rank: Rows of A and columns of B.
        """
        super().__init__()
        self.A = nn.Linear(dim, rank, bias=False)
        self.B = nn.Linear(rank, dim, bias=False)
        nn.init.kaiming_uniform_(self.A.weight, a=math.sqrt(5))
        nn.init.zeros_(self.B.weight)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """The update of ``tokens``, ``...xC`` in and out."""
        update: torch.Tensor = self.B(self.A(tokens))
        return update


class LoraAdaptation(EncoderAdaptation):
    """LoRA on the queries and the values of every block; keys stay as they are."""

    def __init__(self, embed_dim: int, depth: int, rank: int) -> None:
        """Start without effect.

        Args:
            embed_dim: Length of a token, C.
            depth: Number of blocks.
            rank: Rank of every update.
        """
        super().__init__()
        self.q = nn.ModuleList(LowRankUpdate(embed_dim, rank) for _ in range(depth))
        self.v = nn.ModuleList(LowRankUpdate(embed_dim, rank) for _ in range(depth))

    def qkv(self, block_index: int, tokens: torch.Tensor, qkv: torch.Tensor) -> torch.Tensor:
        """Add the updates to queries and values; shapes as in `EncoderAdaptation.qkv`.

        Both at once, ``qkv + [B_q, 0; 0, 0; 0, B_v] [A_q; A_v] tokens``: one pass over the large tensor.
        """
        q, v = (cast("LowRankUpdate", updates[block_index]) for updates in (self.q, self.v))
        inner = F.linear(tokens, torch.cat([q.A.weight, v.A.weight]))
        nothing = torch.zeros_like(q.B.weight)
        outer = torch.cat(
            [
                torch.cat([q.B.weight, nothing], dim=1),
                torch.cat([nothing, nothing], dim=1),
                torch.cat([nothing, v.B.weight], dim=1),
            ]
        )
        updated = torch.addmm(qkv.flatten(0, -2), inner.flatten(0, -2), outer.T)
        return updated.view_as(qkv)
