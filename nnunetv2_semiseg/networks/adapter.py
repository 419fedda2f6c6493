"""KnowSAM's adapters in a frozen image encoder: two small bottlenecks in every block."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from nnunetv2_semiseg.networks.adaptation import EncoderAdaptation

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
