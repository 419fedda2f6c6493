"""Where trained parts may reach into a frozen image encoder."""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import nn


class EncoderAdaptation(nn.Module):
    """Hooks into every block of the image encoder, given to it per call; this base class changes nothing.

    A block computes, with frozen ``norm``, ``qkv``, ``proj`` and ``mlp``::

        tokens = norm1(x)
        x = x + after_attention(i, proj(attend(qkv(i, tokens, frozen_qkv(tokens)))))
        normed = norm2(x)
        x = x + mlp(normed) + beside_mlp(i, normed)
    """

    def qkv(self, block_index: int, tokens: torch.Tensor, qkv: torch.Tensor) -> torch.Tensor:
        """Change queries, keys and values of each token by itself; a token of zeros must not be changed.

        Blocks that attend in windows pad the image with such tokens, for which this is not called.

        Args:
            block_index: Number of the block, from 0.
            tokens: Input of the frozen projection, ``BxHxWxC``.
            qkv: Its output, ``BxHxWx3C``: queries, keys, values.

        Returns:
            What the block is to use instead of ``qkv``.
        """
        return qkv

    def after_attention(self, block_index: int, x: torch.Tensor) -> torch.Tensor:
        """Change the attention's output, ``BxHxWxC`` (windows put together), before the skip is added."""
        return x

    def beside_mlp(self, block_index: int, normed_tokens: torch.Tensor) -> torch.Tensor | None:
        """What to add to the MLP's output, from the MLP's input ``BxHxWxC``; None for nothing."""
        return None


MLP_ADAPTER_SCALE = 0.5
"""Factor on what the adapter beside the MLP adds."""


class Bottleneck(nn.Module):
    """``x -> fc2(GELU(fc1(x)))``, zero at the start because fc2 is."""

    def __init__(self, dim: int, hidden: int) -> None:
        """Start as zero.

        Args:
            dim: Length of a token, C.
            hidden: Length of a token between both layers.
        """
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)
        nn.init.zeros_(self.fc2.weight)
        nn.init.zeros_(self.fc2.bias)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """``...xC`` in and out."""
        out: torch.Tensor = self.fc2(F.gelu(self.fc1(tokens)))
        return out


class AdapterAdaptation(EncoderAdaptation):
    """One adapter after the attention, with a skip of its own, and one beside the MLP, scaled, without."""

    def __init__(self, embed_dim: int, depth: int, ratio: float = 0.25) -> None:
        """Start without effect.

        Args:
            embed_dim: Length of a token, C.
            depth: Number of blocks.
            ratio: Width of the bottlenecks over C; at least one channel is left.
        """
        super().__init__()
        hidden = max(1, int(embed_dim * ratio))
        self.attention = nn.ModuleList(Bottleneck(embed_dim, hidden) for _ in range(depth))
        self.mlp = nn.ModuleList(Bottleneck(embed_dim, hidden) for _ in range(depth))

    def after_attention(self, block_index: int, x: torch.Tensor) -> torch.Tensor:
        """``x`` and its adapter's output; shapes as in `EncoderAdaptation.after_attention`."""
        adapted: torch.Tensor = x + self.attention[block_index](x)
        return adapted

    def beside_mlp(self, block_index: int, normed_tokens: torch.Tensor) -> torch.Tensor:
        """The scaled output of the adapter; shapes as in `EncoderAdaptation.beside_mlp`."""
        beside: torch.Tensor = MLP_ADAPTER_SCALE * self.mlp[block_index](normed_tokens)
        return beside


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
