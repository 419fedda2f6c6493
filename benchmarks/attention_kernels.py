r"""The attention of a SAM block: by products, by torch's fused kernel, and as segment_anything writes it.

One image of 512 x 512 has a grid of 32 x 32 tokens. A block attends over all of them or within windows of
14 x 14. Printed are the milliseconds of the forward pass, and of forward and backward pass, in bfloat16 by
autocast; the variants have the same weights and take turns.

Example:
    python -m benchmarks.attention_kernels --threads 1
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from segment_anything.modeling.image_encoder import Attention
from torch.utils.benchmark import Timer

from benchmarks.measuring import print_machine
from nnunetv2_semiseg.networks.sam.model import attention as kernels

WIDTH, HEADS = 768, 12
"""Length of a token and number of attention heads in ViT-B."""

GRIDS = {"whole image": (1, 32), "windows": (9, 14)}
"""Number and side of the grids of an image; windows are padded, and here padding sends queries as well."""

Variant = Callable[[Attention, torch.Tensor], torch.Tensor]
"""Gives the output of an attention for tokens ``BxHxWxC``."""


def as_in_segment_anything(attention: Attention, tokens: torch.Tensor) -> torch.Tensor:
    """Attention with the bias of all pairs written out."""
    output: torch.Tensor = attention(tokens)
    return output


def by_products(attention: Attention, tokens: torch.Tensor) -> torch.Tensor:
    """Attention by products, as this package computes it on a CPU."""
    return _projected(attention, kernels.attend(attention, attention.qkv(tokens)))


def fused(attention: Attention, tokens: torch.Tensor) -> torch.Tensor:
    """Attention by torch's fused kernel, as this package computes it on a GPU."""
    qkv = attention.qkv(tokens)
    return _projected(
        attention, kernels._attended(attention, qkv, (qkv.shape[1], qkv.shape[2]), kernels._fused)
    )


VARIANTS: dict[str, Variant] = {
    "by products": by_products,
    "fused": fused,
    "segment_anything": as_in_segment_anything,
}


def _projected(attention: Attention, attended: torch.Tensor) -> torch.Tensor:
    output: torch.Tensor = attention.proj(attended)
    return output


def milliseconds(variant: Variant, count: int, side: int, backward: bool, threads: int) -> float:
    """Median time of a run, over as many runs as fit into a second."""
    torch.manual_seed(0)
    attention = Attention(WIDTH, HEADS, use_rel_pos=True, input_size=(side, side))
    tokens = torch.randn(count, side, side, WIDTH, requires_grad=backward)

    def run() -> None:
        with torch.set_grad_enabled(backward), torch.autocast("cpu", torch.bfloat16):
            output = variant(attention, tokens)
        if backward:
            output.float().square().mean().backward()

    timer = Timer("run()", globals={"run": run}, num_threads=threads)
    return 1000 * float(timer.blocked_autorange(min_run_time=1).median)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1, help="of torch (default: %(default)s)")
    arguments = parser.parse_args()
    arguments.device = "cpu"
    print(f"{'':28}  forward ms  forward and backward ms")
    for grid, (count, side) in GRIDS.items():
        for name, variant in VARIANTS.items():
            forward, both = (
                milliseconds(variant, count, side, backward, arguments.threads) for backward in (False, True)
            )
            print(f"{grid + ', ' + name:28}  {forward:10.0f}  {both:23.0f}", flush=True)
    print_machine(arguments, ("torch", "segment-anything"))


if __name__ == "__main__":
    main()
