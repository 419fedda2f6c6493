"""Builders of foundation models from their configurations, and the identity of what they freeze."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder
from torch import nn

from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.networks.sam.checkpoint import PART_NAMES, load_sam_checkpoint, sha256_of
from nnunetv2_semiseg.networks.sam.config import FoundationConfig, PromptedFoundationConfig, SamConfig
from nnunetv2_semiseg.networks.sam.model.adaptation import AdapterAdaptation, LoraAdaptation
from nnunetv2_semiseg.networks.sam.model.architecture import (
    SAM_ARCHITECTURES,
    build_image_encoder,
    build_published_sam_parts,
    build_sam_parts,
    check_num_classes,
)
from nnunetv2_semiseg.networks.sam.model.encoder import SamEncoder
from nnunetv2_semiseg.networks.sam.model.image_input import FoundationInput
from nnunetv2_semiseg.networks.sam.model.prompts import BoxPromptDecoders
from nnunetv2_semiseg.networks.sam.prompted import PromptedSam
from nnunetv2_semiseg.networks.sam.semantic import FoundationTrainedParts, SemanticSam
from nnunetv2_semiseg.networks.sam.weights.download import is_whole
from nnunetv2_semiseg.networks.sam.weights.registry import PUBLISHED_WEIGHTS, weights_folder

ConfigT = TypeVar("ConfigT", bound=SamConfig)

SamParts = tuple[ImageEncoderViT, PromptEncoder, MaskDecoder]

RANDOM_WEIGHTS_SEED = 20250611
"""Seed of random frozen weights: no checkpoint stores them, so every start has to draw the same ones."""

RANDOM_POSITIONS_STD = 0.02
"""Standard deviation of random positions, usual in vision transformers. Segment-anything starts them at zero,
which would leave a frozen random encoder blind to positions."""


def build_foundation(config: FoundationConfig, in_channels: int, num_classes: int) -> SemanticSam:
    """Build a semantic SAM in float32 on the CPU and fill its frozen part.

    Args:
        config: Architecture, weights, input handling and rank.
        in_channels: Channels of the patches.
        num_classes: Number of classes K, background included.

    Returns:
        The student. LoRA and the decoder's heads are fresh, drawn from torch's random stream. With random
        weights so are the rest of the decoder and the prompt encoder, and only the frozen encoder is the
        same at every start.

    Raises:
        UserFileError: The checkpoint does not exist.
        UserError: There are no weights (see `with_weights`), the checkpoint is refused (see
            `load_sam_checkpoint`), or there are fewer than two classes.

    Examples:
        >>> config = FoundationConfig(architecture="vit_tiny", random_weights=True, image_size=64)
        >>> student = build_foundation(config, in_channels=1, num_classes=3)
        >>> student.predict(torch.rand(2, 1, 48, 40)).shape
        torch.Size([2, 3, 48, 40])
    """
    config = with_weights(config)
    architecture = SAM_ARCHITECTURES[config.architecture]
    parts = build_sam_parts(architecture, config.image_size, num_classes)
    if config.checkpoint is None:
        parts = (_random_encoder(config), *parts[1:])
    else:
        _fill(parts, load_sam_checkpoint(config.checkpoint, config.architecture, config.image_size))
    lora = LoraAdaptation(architecture.embed_dim, architecture.depth, config.lora_rank)
    image_input = FoundationInput(in_channels, config.image_size, config.normalization)
    encoder = SamEncoder(parts[0], config.gradient_checkpointing)
    return SemanticSam(encoder, FoundationTrainedParts(image_input, lora, *parts[1:]))


def build_prompted_sam(config: PromptedFoundationConfig, in_channels: int, num_classes: int) -> PromptedSam:
    """Build a SAM with learned prompts in float32 on the CPU and fill its frozen parts.

    Args:
        config: Architecture, weights, input handling and adapters.
        in_channels: Channels of the patches.
        num_classes: Number of classes K, background included.

    Returns:
        The branch. Adapters and prompt decoders are fresh, drawn from torch's random stream. All of
        segment-anything, mask tokens and heads included, is the checkpoint's, or with random weights the
        same at every start.

    Raises:
        UserFileError: The checkpoint does not exist.
        UserError: There are no weights (see `with_weights`), the checkpoint is refused (see
            `load_sam_checkpoint`), or there are fewer than two classes.
    """
    config = with_weights(config)
    check_num_classes(num_classes)
    architecture = SAM_ARCHITECTURES[config.architecture]
    if config.checkpoint is None:
        parts = _random_parts(config)
    else:
        parts = build_published_sam_parts(architecture, config.image_size)
        _fill(parts, load_sam_checkpoint(config.checkpoint, config.architecture, config.image_size, True))
    return PromptedSam(
        SamEncoder(parts[0], config.gradient_checkpointing),
        *parts[1:],
        FoundationInput(in_channels, config.image_size, config.normalization),
        AdapterAdaptation(architecture.embed_dim, architecture.depth, config.adapter_ratio),
        BoxPromptDecoders(num_classes, architecture.prompt_dim),
        config.train_mask_decoder,
    )


def foundation_identity(config: SamConfig) -> dict[str, str]:
    """What tells these frozen parts and their input from others, compared when a training is resumed.

    Args:
        config: Configuration with a source of weights, see `with_weights`.

    Returns:
        The SHA-256 of the checkpoint file or of the random frozen weights, and the settings that change
        the frozen parts' output without changing the shape of any trained weight.

    Raises:
        UserFileError: The checkpoint does not exist.
    """
    settings = {
        "foundation.image_size": str(config.image_size),
        "foundation.normalization": config.normalization,
    }
    if config.checkpoint is not None:
        return {"SHA-256 of the foundation's checkpoint": sha256_of(config.checkpoint), **settings}
    prompted = isinstance(config, PromptedFoundationConfig)
    digest = hashlib.sha256()
    for part in _random_parts(config) if prompted else [_random_encoder(config)]:
        for name, tensor in part.state_dict().items():
            digest.update(name.encode())
            digest.update(tensor.numpy().tobytes())
    return {"SHA-256 of the foundation's random weights": digest.hexdigest(), **settings}


def _random_encoder(config: SamConfig) -> ImageEncoderViT:
    """Draw the same random encoder at every start."""
    with _fixed_random_stream():
        return _with_random_positions(
            build_image_encoder(SAM_ARCHITECTURES[config.architecture], config.image_size)
        )


def _random_parts(config: SamConfig) -> SamParts:
    """Draw the same random parts, with the published number of mask tokens, at every start."""
    with _fixed_random_stream():
        encoder, *others = build_published_sam_parts(
            SAM_ARCHITECTURES[config.architecture], config.image_size
        )
        return _with_random_positions(encoder), *others


def _with_random_positions(encoder: ImageEncoderViT) -> ImageEncoderViT:
    for name, parameter in encoder.named_parameters():
        if "pos_embed" in name or "rel_pos" in name:
            nn.init.normal_(parameter, std=RANDOM_POSITIONS_STD)
    return encoder


@contextmanager
def _fixed_random_stream() -> Iterator[None]:
    """Draw the same numbers every time; torch's random stream is left as it was."""
    with torch.random.fork_rng(devices=[]):
        # not torch.manual_seed, which would also seed the GPUs
        torch.default_generator.manual_seed(RANDOM_WEIGHTS_SEED)
        yield


def _fill(parts: SamParts, state: dict[str, torch.Tensor]) -> None:
    """Load checked weights, which may leave out nothing but the mask decoder's fresh heads."""
    for name, part in zip(PART_NAMES, parts, strict=True):
        prefix = f"{name}."
        own = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        part.load_state_dict(own, strict=name != "mask_decoder")


def with_weights(config: ConfigT, config_key: str = "foundation", further_settings: str = "") -> ConfigT:
    """Name the file of weights where a configuration names none: the published one in the weights folder.

    Args:
        config: Configuration of a foundation model. One that names a checkpoint, or asks for random weights,
            stays as it is.
        config_key: Where ``config`` stands below ``semiseg``, for messages.
        further_settings: Settings ``key=value`` that the command in a message needs besides the checkpoint.

    Returns:
        A configuration with a source of weights.

    Raises:
        UserError: The folder has no such file, or the file is not the published one to the last bit.
    """
    if config.checkpoint is not None or config.random_weights:
        return config
    trial = f"set {config_key}.random_weights=true for a trial without use"
    fitting = [
        weights
        for weights in PUBLISHED_WEIGHTS.values()
        if (weights.architecture, weights.normalization) == (config.architecture, config.normalization)
    ]
    if not fitting:
        raise UserError(
            f"nobody has published weights for {config_key}.architecture={config.architecture} and "
            f"normalization={config.normalization}: name a file by {config_key}.checkpoint, or {trial}"
        )
    weights = fitting[0]
    file, download = weights_folder() / weights.file_name, f"nnUNetv2_semiseg_weights download {weights.name}"
    if not file.is_file():
        settings = f"{further_settings} {config_key}.checkpoint=/path/{weights.file_name}".lstrip()
        raise UserError(
            f"this method needs a foundation checkpoint and {weights.owner}'s, {file}, is not there: run "
            f"`{download}` or put it there by hand from {weights.place}, or name a file elsewhere with "
            f"`nnUNetv2_semiseg_configure -d DATASET -c 2d --name 2d_{config.normalization} {settings}`, or "
            f"{trial}"
        )
    if not is_whole(file, weights):
        raise UserError(
            f"{file} is not {weights.owner}'s {weights.file_name} as published: remove it and run "
            f"`{download}`, or name it by {config_key}.checkpoint if it is what you want"
        )
    return dataclasses.replace(config, checkpoint=str(file))
