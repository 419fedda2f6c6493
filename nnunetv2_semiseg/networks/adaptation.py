"""Where trained parts may reach into a frozen image encoder."""

from __future__ import annotations

import torch
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
