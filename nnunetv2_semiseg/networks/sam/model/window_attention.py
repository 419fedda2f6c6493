"""Attention inside of windows, as most blocks of segment-anything's encoder have it.

Segment-anything pads the grid of tokens with zeros to whole windows before it projects them, so that queries,
keys and values of the padding are the projection's bias: no need to project it. All tokens of a window attend
to its padding as well, but what the padding's own queries give is cut off in the end. On a CPU it sends none:
at an image size of 512, windows of 14 x 14 pad 32 x 32 tokens to 42 x 42.
"""

from __future__ import annotations

import torch
from segment_anything.modeling.image_encoder import Block, window_partition

from nnunetv2_semiseg.networks.sam.model.attention import attend


def attend_in_windows(block: Block, qkv: torch.Tensor) -> torch.Tensor:
    """What ``block.attn`` does in windows between its two projections.

    Args:
        block: Segment-anything's block, with a window size above 0.
        qkv: Queries, keys and values of a grid of tokens, one after the other, ``BxHxWx3C``.

    Returns:
        ``BxHxWxC``, to be projected by ``block.attn.proj``.
    """
    height, width = qkv.shape[1:3]
    padded, size = _padded(block, qkv), block.window_size
    if _all_windows_at_once(qkv):
        return _attend_in_equal_windows(block, padded, (size, size))[:, :height, :width]
    rows = []
    for filled_rows, strip in _by_filling(padded, 1, height, size):
        parts = [
            _attend_in_equal_windows(block, part, (filled_rows, filled_columns))
            for filled_columns, part in _by_filling(strip, 2, width, size)
        ]
        rows.append(torch.cat(parts, dim=2))
    return torch.cat(rows, dim=1)


def _all_windows_at_once(qkv: torch.Tensor) -> bool:
    """Whether padding sends queries as well: on a GPU few launches are worth more than little work."""
    return qkv.device.type != "cpu"


def _padded(block: Block, qkv: torch.Tensor) -> torch.Tensor:
    """Pad a grid of tokens to whole windows with what the projection makes of zeros, its bias.

    Padding is joined to the tokens rather than both written into a larger tensor, which is expensive to
    differentiate.
    """
    bias = block.attn.qkv.bias.to(qkv.dtype)
    for dim in (2, 1):
        shape = list(qkv.shape)
        shape[dim] = -shape[dim] % block.window_size
        if shape[dim]:
            qkv = torch.cat([qkv, bias.expand(shape)], dim)
    return qkv


def _by_filling(padded: torch.Tensor, dim: int, side: int, size: int) -> list[tuple[int, torch.Tensor]]:
    """The part whose windows are full of tokens, and the part whose windows have padding, if any.

    Args:
        padded: Queries, keys and values of whole windows, ``BxH'xW'x3C``.
        dim: 1 for rows, 2 for columns.
        side: Number of rows or columns that are tokens.
        size: Side of a window in tokens.

    Returns:
        For each part, how many rows or columns of a window are tokens, and the part itself.
    """
    rest = side % size
    full, with_padding = padded.split([side - rest, padded.shape[dim] - side + rest], dim)
    return [(filled, part) for filled, part in ((size, full), (rest, with_padding)) if part.shape[dim]]


def _attend_in_equal_windows(block: Block, qkv: torch.Tensor, query_grid: tuple[int, int]) -> torch.Tensor:
    """Attention of the first rows and columns of each window, put together.

    Args:
        block: Segment-anything's block.
        qkv: Queries, keys and values of R rows and C columns of windows of side S, ``BxRSxCSx3C``.
        query_grid: Rows r and columns c of each window whose tokens send queries.

    Returns:
        ``BxRrxCcxC``.
    """
    grid = [side // block.window_size for side in qkv.shape[1:3]]
    attended = attend(block.attn, window_partition(qkv, block.window_size)[0], query_grid)
    tokens: torch.Tensor = attended.unflatten(0, (-1, *grid)).transpose(2, 3)
    return tokens.flatten(3, 4).flatten(1, 2)
