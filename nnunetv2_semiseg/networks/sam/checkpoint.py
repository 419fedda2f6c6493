"""Reading files of segment-anything weights (SAM, MedSAM) safely, and fitting them to an image size."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pooch
import torch
import torch.nn.functional as F

from nnunetv2_semiseg.core.errors import UserError, UserFileError
from nnunetv2_semiseg.networks.sam.model.architecture import SAM_ARCHITECTURES, build_published_sam_parts

FRESH_HEADS = ("mask_tokens", "output_hypernetworks_mlps", "iou_prediction_head")
"""Parts of the mask decoder that are bound to the number of masks. If masks stand for classes, these are not
loaded, even where they would fit, so that every number of classes starts alike."""

PART_NAMES = ("image_encoder", "prompt_encoder", "mask_decoder")
"""First words of the names in a checkpoint, in the order of `build_published_sam_parts`."""

ANY_IMAGE_SIZE = 512
"""Side in pixels for checking a file that belongs to no model yet; any would do, as positions are fitted."""

_POSITIONS = "image_encoder.pos_embed"
_PATCHES = "image_encoder.patch_embed.proj.weight"


def load_sam_checkpoint(
    path: str | Path, architecture: str, image_size: int, with_heads: bool = False
) -> dict[str, torch.Tensor]:
    """Read a checkpoint, check it and fit its positions to ``image_size``.

    State dicts under segment-anything's names are accepted, also inside ``{"model": ...}`` or
    ``{"state_dict": ...}`` and with the prefix ``module.``. No code in a file is ever run.

    Args:
        path: File of weights.
        architecture: A key of `SAM_ARCHITECTURES`.
        image_size: Side S in pixels of the images that the model will take.
        with_heads: Whether `FRESH_HEADS` are wanted, as for segment-anything's own masks.

    Returns:
        Weights on the CPU by segment-anything's names, with or without `FRESH_HEADS`.

    Raises:
        UserFileError: There is no such file.
        UserError: The file is damaged or no checkpoint, it holds more than weights, belongs to another
            architecture, lacks weights, or has weights that are not finite. The message names file, reason
            and remedy.
    """
    state = _unwrapped_state(_read(Path(path)), path)
    _check_architecture(state, path, architecture)
    return _checked(state, path, architecture, image_size, with_heads)


@dataclass(frozen=True)
class SamFile:
    """What a file of weights is, as far as names and shapes in it tell.

    Attributes:
        architecture: A key of `SAM_ARCHITECTURES`.
        has_heads: Whether the file holds `FRESH_HEADS` for segment-anything's own masks.
    """

    architecture: str
    has_heads: bool


def identify_sam_checkpoint(path: str | Path) -> SamFile:
    """Find out what a checkpoint is, and check all that `load_sam_checkpoint` would check.

    Args:
        path: File of weights.

    Returns:
        Architecture and contents of the file.

    Raises:
        UserFileError: There is no such file.
        UserError: The file fits no known architecture, or `load_sam_checkpoint` would refuse it.
    """
    state = _unwrapped_state(_read(Path(path)), path)
    architecture, (embed_dim, depth) = _found_architecture(state, path)
    if architecture is None:
        raise UserError(
            f"{path} fits no known architecture (embedding dimension {embed_dim}, {depth} blocks); name "
            "another file"
        )
    has_heads = all(
        name in state and state[name].shape == shape
        for name, shape in _expected_shapes(architecture, ANY_IMAGE_SIZE, True).items()
        if name.startswith(tuple(f"mask_decoder.{head}" for head in FRESH_HEADS))
    )
    _checked(state, path, architecture, ANY_IMAGE_SIZE, has_heads)
    return SamFile(architecture, has_heads)


def _checked(
    state: Mapping[str, torch.Tensor], path: str | Path, architecture: str, image_size: int, with_heads: bool
) -> dict[str, torch.Tensor]:
    """The wanted weights of one architecture, fitted to ``image_size``; a `UserError` if any is wrong."""
    expected = _expected_shapes(architecture, image_size, with_heads)
    missing = [name for name in expected if name not in state]
    if missing:
        raise UserError(
            f"{path} is no complete segment-anything checkpoint: it lacks {len(missing)} weights, among them "
            f"{missing[0]}; name the file as published by SAM or MedSAM"
        )
    wanted = {name: state[name] for name in expected}
    grid = image_size // SAM_ARCHITECTURES[architecture].patch_size
    for name, tensor in wanted.items():
        if tensor.dim() != len(expected[name]):  # fitting takes that for granted
            raise _wrong_shape(path, architecture, name, tensor, expected[name])
    fitted = resize_positions(wanted, grid, SAM_ARCHITECTURES[architecture].global_attention_blocks)
    for name, tensor in fitted.items():
        if tensor.shape != expected[name]:
            raise _wrong_shape(path, architecture, name, tensor, expected[name])
        if not torch.isfinite(tensor).all():
            raise UserError(f"{path} is damaged: {name} holds values that are not finite; fetch it again")
    return fitted


def _wrong_shape(
    path: str | Path, architecture: str, name: str, tensor: torch.Tensor, expected: torch.Size
) -> UserError:
    return UserError(
        f"{path} is no {architecture} checkpoint: {name} has the shape {tuple(tensor.shape)} instead of "
        f"{tuple(expected)}; name the file as published by SAM or MedSAM"
    )


def resize_positions(
    state: Mapping[str, torch.Tensor], grid: int, global_blocks: tuple[int, ...]
) -> dict[str, torch.Tensor]:
    """Fit the image encoder's positions to another grid of tokens.

    Absolute positions are resized bilinearly, relative ones linearly along their length and only in the
    blocks that attend over the whole image: windows keep their size.

    Args:
        state: Weights by segment-anything's names.
        grid: Number of tokens G along a side of the image.
        global_blocks: Numbers of the blocks with global attention.

    Returns:
        The same weights with positions ``1xGxGxC`` and relative positions ``(2G-1)xD`` in global blocks.
    """
    resized = dict(state)
    positions = state[_POSITIONS]
    if positions.shape[1:3] != (grid, grid):
        channels_first = positions.permute(0, 3, 1, 2)
        channels_first = F.interpolate(channels_first, (grid, grid), mode="bilinear", align_corners=False)
        resized[_POSITIONS] = channels_first.permute(0, 2, 3, 1).contiguous()
    for block in global_blocks:
        for axis in ("h", "w"):
            name = f"image_encoder.blocks.{block}.attn.rel_pos_{axis}"
            if state[name].shape[0] != 2 * grid - 1:
                along_length = state[name].T[None]
                along_length = F.interpolate(along_length, 2 * grid - 1, mode="linear", align_corners=False)
                resized[name] = along_length[0].T.contiguous()
    return resized


def sha256_of(path: str | Path) -> str:
    """The SHA-256 of a file as a hexadecimal string.

    Raises:
        UserFileError: There is no such file.
    """
    return str(pooch.file_hash(str(_existing(Path(path))), alg="sha256"))


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise UserFileError(f"{path}: no such file; name an existing checkpoint of SAM or MedSAM")
    return path


def _read(path: Path) -> Any:
    """Content of a file written by torch.save, as long as it is data only."""
    _existing(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except PermissionError:
        raise
    except pickle.UnpicklingError as error:
        if "GLOBAL" in str(error):
            raise UserError(
                f"{path} holds Python objects besides weights, and reading those could run foreign code, so "
                "it was not read; name a file of nothing but weights, as published by SAM or MedSAM"
            ) from None
        raise UserError(
            f"{path} is no PyTorch checkpoint; name the file as published by SAM or MedSAM"
        ) from None
    except Exception:  # what is raised depends on where the file ends
        raise UserError(f"{path} is truncated, damaged or no PyTorch checkpoint; fetch it again") from None


def _unwrapped_state(content: Any, path: str | Path) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint under segment-anything's names."""
    for wrapper in ("model", "state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping):
        raise UserError(f"{path} holds no weights by name; name the file as published by SAM or MedSAM")
    tensors = {str(name): value for name, value in content.items() if isinstance(value, torch.Tensor)}
    return {name.removeprefix("module."): tensor for name, tensor in tensors.items()}


def _check_architecture(state: Mapping[str, torch.Tensor], path: str | Path, architecture: str) -> None:
    """Refuse a checkpoint of another size, telling which one it looks like."""
    alike, found = _found_architecture(state, path)
    if alike == architecture:
        return
    wanted = SAM_ARCHITECTURES[architecture]
    verdict = f"looks like {alike}" if alike else "fits no known architecture"
    raise UserError(
        f"{path} {verdict} (embedding dimension {found[0]}, {found[1]} blocks), but {architecture} is asked "
        f"for ({wanted.embed_dim}, {wanted.depth}); "
        + (f"set architecture={alike} or name another file" if alike else "name another file")
    )


def _found_architecture(
    state: Mapping[str, torch.Tensor], path: str | Path
) -> tuple[str | None, tuple[int, int]]:
    """The known architecture of a checkpoint, if any; its embedding dimension and number of blocks."""
    if _PATCHES not in state or state[_PATCHES].dim() != 4:
        raise UserError(
            f"{path} is no segment-anything checkpoint: it has no image encoder; name the file as published "
            "by SAM or MedSAM"
        )
    numbers = (re.match(r"image_encoder\.blocks\.(\d+)\.", name) for name in state)
    found = state[_PATCHES].shape[0], 1 + max((int(number[1]) for number in numbers if number), default=-1)
    sizes = {(known.embed_dim, known.depth): name for name, known in SAM_ARCHITECTURES.items()}
    return sizes.get(found), found


def _expected_shapes(architecture: str, image_size: int, with_heads: bool) -> dict[str, torch.Size]:
    """Shapes of the weights that are loaded, by name."""
    with torch.device("meta"):
        parts = build_published_sam_parts(SAM_ARCHITECTURES[architecture], image_size)
    return {
        f"{part_name}.{name}": tensor.shape
        for part_name, part in zip(PART_NAMES, parts, strict=True)
        for name, tensor in part.state_dict().items()
        if with_heads or not (part_name == "mask_decoder" and name.startswith(FRESH_HEADS))
    }
