"""Trained changes of a frozen image encoder: the hooks that its blocks offer, LoRA and adapters.

A further kind of adaptation is a subclass of `EncoderAdaptation`; the encoder itself stays as it is.
"""

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
            qkv: Output of the frozen projection, ``BxHxWx3C``: queries, keys, values.

        Returns:
            Queries, keys and values that the block uses instead.
        """
        return qkv

    def after_attention(self, block_index: int, x: torch.Tensor) -> torch.Tensor:
        """Change the output of the attention, ``BxHxWxC``, windows put together, before the skip is added."""
        return x

    def beside_mlp(self, block_index: int, normed_tokens: torch.Tensor) -> torch.Tensor | None:
        """Compute from the MLP's input, ``BxHxWxC``, what is added to its output; None for nothing."""
        return None


class LowRankUpdate(nn.Module):
    """``x -> B(A x)`` without biases, zero at the start because B is zero."""

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
    """LoRA (Hu et al. 2022) on the queries and the values of every block; keys stay as they are."""

    def __init__(self, embed_dim: int, depth: int, rank: int) -> None:
        """Start without effect.

        Args:
            embed_dim: Length of a token, C.
            depth: Number of blocks.
            rank: Rank of each update.
        """
        super().__init__()
        self.q = nn.ModuleList(LowRankUpdate(embed_dim, rank) for _ in range(depth))
        self.v = nn.ModuleList(LowRankUpdate(embed_dim, rank) for _ in range(depth))

    def qkv(self, block_index: int, tokens: torch.Tensor, qkv: torch.Tensor) -> torch.Tensor:
        """Add the updates to queries and values; shapes as in `EncoderAdaptation.qkv`.

        Both are added at once, ``qkv + [B_q, 0; 0, 0; 0, B_v] [A_q; A_v] tokens``, in one pass over the
        large tensor.
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


MLP_ADAPTER_SCALE = 0.5
"""Factor on the output of the adapter beside the MLP."""


class Bottleneck(nn.Module):
    """``x -> fc2(GELU(fc1(x)))``, zero at the start because fc2 is zero."""

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
    """Two adapters in every block: one after the attention, with a skip of its own, and one beside the MLP.

    The one beside the MLP has no skip, and its output is scaled.
    """

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
        """Add the adapter's output; shapes as in `EncoderAdaptation.after_attention`."""
        adapted: torch.Tensor = x + self.attention[block_index](x)
        return adapted

    def beside_mlp(self, block_index: int, normed_tokens: torch.Tensor) -> torch.Tensor:
        """Give the adapter's scaled output; shapes as in `EncoderAdaptation.beside_mlp`."""
        beside: torch.Tensor = MLP_ADAPTER_SCALE * self.mlp[block_index](normed_tokens)
        return beside
