"""The number format in which the image encoder of an exported model predicts on a CPU.

It is chosen by an environment variable and stated in a line on the terminal. Half precision needs rounded
weights; they are copies, so that a network's state is what was trained, whatever it has predicted.
"""

from __future__ import annotations

import functools
import os
from typing import Literal, cast, get_args

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.weak import WeakTensorKeyDictionary
from tqdm import tqdm

from nnunetv2_semiseg.core.errors import UserError

VARIABLE = "nnUNet_semiseg_prediction_precision"
"""Environment variable that chooses the precision."""

PredictionPrecision = Literal["auto", "bfloat16", "float32"]
"""``auto`` is bfloat16 on a CPU that has instructions for it, and float32 on any other."""


def chosen_precision() -> PredictionPrecision:
    """The precision that `VARIABLE` chooses, ``auto`` where it is not set.

    Raises:
        UserError: The variable has another value.
    """
    value = os.environ.get(VARIABLE, "").strip().lower() or "auto"
    if value not in get_args(PredictionPrecision):
        raise UserError(
            f"the environment variable {VARIABLE} is '{value}': set it to one of "
            f"{', '.join(get_args(PredictionPrecision))}, or unset it for auto"
        )
    return cast("PredictionPrecision", value)


def cpu_computes_bfloat16() -> bool:
    """Whether this CPU has bfloat16 instructions; without them it emulates bfloat16, slower than float32."""
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in names)


# a compiled network calls this once, while it is being compiled
@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def predicts_in_bfloat16(precision: PredictionPrecision) -> bool:
    """Whether a precision means bfloat16 on this CPU, which is said on the terminal once in a process."""
    if precision != "auto":
        _say_once(f"SAM's image encoder predicts in {precision}, as {VARIABLE} asks for.")
        return precision == "bfloat16"
    fast = cpu_computes_bfloat16()
    here, reason, others, elsewhere = (
        ("bfloat16", "for which this CPU has fast instructions", "without them", "float32")
        if fast
        else ("float32", "because this CPU has no bfloat16 instructions", "that has them", "bfloat16")
    )
    _say_once(
        f"SAM's image encoder predicts in {here}, {reason}. A CPU {others} predicts in {elsewhere}, with "
        f"slightly different results: set {VARIABLE}=float32 to predict in float32 on every CPU."
    )
    return fast


@functools.cache
def _say_once(line: str) -> None:
    # nnU-Net's progress bar is on the terminal already
    tqdm.write(line)


class RoundedWeights:
    """Linear layers computed in bfloat16, with copies of their weights that are rounded once.

    A copy is made when a layer is first computed, and again when its weights have changed. Copies belong to
    no state: a pickled or copied network makes its own.
    """

    def __init__(self) -> None:
        """Start without copies."""
        self._copies = WeakTensorKeyDictionary()

    def __reduce__(self) -> tuple[type[RoundedWeights], tuple[()]]:
        """Pickle and copy without the copies of weights."""
        return RoundedWeights, ()

    def forget(self) -> None:
        """Drop all copies."""
        self._copies.clear()

    def linear(self, layer: nn.Linear, tokens: torch.Tensor) -> torch.Tensor:
        """What autocast to bfloat16, which this is to be called in, makes of ``layer(tokens)``.

        Autocast itself rounds the weights where they take gradients, and in a compiled network, whose graph
        cannot see whether weights have changed.

        Args:
            layer: A layer with a bias.
            tokens: Input of the layer, ``...xC``.

        Returns:
            Output of the layer in bfloat16.
        """
        if torch.compiler.is_compiling() or layer.weight.requires_grad:
            return cast("torch.Tensor", layer(tokens))
        return F.linear(tokens, self._rounded(layer.weight), self._rounded(layer.bias))

    def _rounded(self, weight: torch.Tensor) -> torch.Tensor:
        version, copy = self._copies.get(weight, (None, None))
        if version != weight._version:
            # nnU-Net predicts in inference mode, whose tensors no gradient could pass later
            with torch.inference_mode(False), torch.no_grad():
                # into the old copy, as nnU-Net loads a fold's weights anew for every image
                copy = weight.to(torch.bfloat16) if copy is None else copy.copy_(weight)
            self._copies[weight] = (weight._version, copy)
        return cast("torch.Tensor", copy)
