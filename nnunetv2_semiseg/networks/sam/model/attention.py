"""Segment-anything's attention with relative positions, without writing their bias out.

Segment-anything adds to the score of query position (i, j) and key position (m, n) a bias that is the sum
of a row and a column term, both linear in the UNscaled query:

    score = s · q·k + rel_h(q)[m] + rel_w(q)[n],    rel_h(q)[m] = q · Rh[i, m],  rel_w(q)[n] = q · Rw[j, n]

with s = head_dim^-0.5. Written out for all pairs, the bias is as large as the attention map. But it is an
inner product itself: with unit vectors e_m and e_n,

    q' = [s · q, rel_h(q), rel_w(q)],   k' = [k, e_m, e_n]   =>   q'·k' = score

so that attention over q' and k' with scale 1 needs no mask. q' and k' have head_dim + H + W entries instead
of head_dim: 128 at an image size of 512.

On a GPU that is one call of PyTorch's fused attention. On a CPU two plain matrix products and a softmax take
about half of the fused kernel's time; they are done again in the backward pass, so that neither q' and k' nor
an attention map is kept for it. Large maps are computed image by image, and in a pass without gradients some
heads at a time. The numbers are in benchmarks/README.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from segment_anything.modeling.image_encoder import Attention, get_rel_pos
from torch.utils.checkpoint import checkpoint

Kernel = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, float], torch.Tensor]
"""Attention of queries, keys and values, ``BxNxTxD`` with a width D of each, and a factor on the scores."""

MAP_ENTRIES = 2**24
"""Largest number of entries of the attention maps that a CPU holds at once, enough for all heads of one whole
image of 512 x 512 pixels."""

PART_ENTRIES = 2**23
"""Largest number of entries of the maps that a CPU holds at once in a pass without gradients. So small, their
memory stays with the process from block to block; else Linux would take it back and clear it each time."""

HEAD_WIDTH_MULTIPLE = 8
"""Fused attention on GPUs wants head widths divisible by 8 (half precision)."""


def attend(
    attention: Attention, qkv: torch.Tensor, query_grid: tuple[int, int] | None = None
) -> torch.Tensor:
    """What ``attention`` does between its two projections.

    Args:
        attention: Segment-anything's module, whose relative positions are used.
        qkv: Queries, keys and values of a grid of tokens, one after the other, ``BxHxWx3C``.
        query_grid: Numbers h and w of the first rows and columns whose tokens send queries, to all tokens;
            None for all rows and columns.

    Returns:
        ``BxhxwxC``, to be projected by ``attention.proj``.
    """
    query_grid = (qkv.shape[1], qkv.shape[2]) if query_grid is None else query_grid
    if qkv.device.type != "cpu":
        return _attended(attention, qkv, query_grid, _fused)
    entries_of_one = attention.num_heads * math.prod(query_grid) * math.prod(qkv.shape[1:3])
    parts = qkv.split(max(1, MAP_ENTRIES // entries_of_one))
    attended = [_attended_on_a_cpu(attention, part, query_grid) for part in parts]
    return attended[0] if len(attended) == 1 else torch.cat(attended)


def _attended_on_a_cpu(attention: Attention, qkv: torch.Tensor, query_grid: tuple[int, int]) -> torch.Tensor:
    if not torch.is_grad_enabled():
        return _attended(attention, qkv, query_grid, _by_products)
    # nothing is drawn at random inside
    again: torch.Tensor = checkpoint(
        _attended, attention, qkv, query_grid, _by_products, use_reentrant=False, preserve_rng_state=False
    )
    return again


def _attended(
    attention: Attention, qkv: torch.Tensor, query_grid: tuple[int, int], kernel: Kernel
) -> torch.Tensor:
    # each BxNxHxWxD
    q, k, v = qkv.unflatten(-1, (3, attention.num_heads, -1)).permute(3, 0, 4, 1, 2, 5).unbind(0)
    q = q[:, :, : query_grid[0], : query_grid[1]]
    if attention.use_rel_pos:
        q, k = fold_relative_positions(q, k, attention.rel_pos_h, attention.rel_pos_w, attention.scale)
    scale = 1.0 if attention.use_rel_pos else attention.scale
    out = kernel(q.flatten(2, 3), k.flatten(2, 3), v.flatten(2, 3), scale)
    return out.transpose(1, 2).reshape(len(qkv), *query_grid, -1)


def _fused(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scale: float) -> torch.Tensor:
    width = v.shape[-1]
    # the fastest kernels want one width for all three
    padded = -(-q.shape[-1] // HEAD_WIDTH_MULTIPLE) * HEAD_WIDTH_MULTIPLE
    q, k, v = (F.pad(x, (0, padded - x.shape[-1])) for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v, scale=scale)[..., :width]


def _by_products(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scale: float) -> torch.Tensor:
    if torch.is_grad_enabled():
        return _product(q, k, v, scale)
    entries = math.prod(q.shape[:3]) * k.shape[2]
    parts = -(-entries // PART_ENTRIES)
    heads = zip(q.chunk(parts, dim=1), k.chunk(parts, dim=1), v.chunk(parts, dim=1), strict=True)
    attended = [_product(one_q, one_k, one_v, scale) for one_q, one_k, one_v in heads]
    return attended[0] if len(attended) == 1 else torch.cat(attended, dim=1)


def _product(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scale: float) -> torch.Tensor:
    scores = q @ k.transpose(-2, -1)
    if scale != 1:
        scores = scores * scale
    return scores.softmax(-1).to(v.dtype) @ v


def fold_relative_positions(
    q: torch.Tensor, k: torch.Tensor, rel_pos_h: torch.Tensor, rel_pos_w: torch.Tensor, scale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Queries and keys whose inner product is the scaled score plus the relative-position bias.

    Args:
        q: Queries, ``BxNxhxwxD``, N the number of heads: of the first h rows and w columns of the keys' grid.
        k: Keys, ``BxNxHxWxD``.
        rel_pos_h: Relative positions along the rows, ``(2H-1)xD``; another length is interpolated.
        rel_pos_w: Relative positions along the columns, ``(2W-1)xD``.
        scale: Factor on ``q·k``.

    Returns:
        q' and k' (see the module's docstring), ``BxNxhxwx(D+H+W)`` and ``BxNxHxWx(D+H+W)``.
    """
    h, w = k.shape[2:4]
    rel_h = torch.einsum("bnhwd,hkd->bnhwk", q, _by_offset(rel_pos_h, h)[: q.shape[2]])
    rel_w = torch.einsum("bnhwd,wkd->bnhwk", q, _by_offset(rel_pos_w, w)[: q.shape[3]])
    folded_q = torch.cat([scale * q, rel_h.to(q.dtype), rel_w.to(q.dtype)], dim=-1)
    rows = torch.eye(h, dtype=k.dtype, device=k.device)[:, None].expand(h, w, h)
    columns = torch.eye(w, dtype=k.dtype, device=k.device)[None].expand(h, w, w)
    positions = torch.cat([rows, columns], dim=-1).expand(*k.shape[:2], h, w, h + w)
    return folded_q, torch.cat([k, positions], dim=-1)


def _by_offset(positions: torch.Tensor, size: int) -> torch.Tensor:
    """Entry ``i - j + size - 1`` for query i and key j, ``size x size x D``.

    segment_anything's `get_rel_pos` gives the same, but looks the entries up by numbers that it makes on the
    CPU: on a GPU each block would wait for them twice.
    """
    if len(positions) != 2 * size - 1:
        return get_rel_pos(size, size, positions)
    return positions.unfold(0, size, 1).flip(-1).transpose(1, 2)
