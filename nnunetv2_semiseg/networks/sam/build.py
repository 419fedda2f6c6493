"""From a configuration to a foundation model, and what its frozen weights are called."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder
from torch import nn

from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.networks.sam.checkpoint import PART_NAMES, load_sam_checkpoint, sha256_of
from nnunetv2_semiseg.networks.sam.config import FoundationConfig, PromptedFoundationConfig, SamConfig
from nnunetv2_semiseg.networks.sam.model.adaptation import AdapterAdaptation, LoraAdaptation
from nnunetv2_semiseg.networks.sam.model.encoder import SamEncoder
from nnunetv2_semiseg.networks.sam.model.image_input import FoundationInput
from nnunetv2_semiseg.networks.sam.model.parts import (
    SAM_ARCHITECTURES,
    build_image_encoder,
    build_published_sam_parts,
    build_sam_parts,
    check_num_classes,
)
from nnunetv2_semiseg.networks.sam.model.prompts import BoxPromptDecoders
from nnunetv2_semiseg.networks.sam.prompted import PromptedSam
from nnunetv2_semiseg.networks.sam.semantic import FoundationTrainedParts, SemanticSam
from nnunetv2_semiseg.networks.sam.weights.registry import DEFAULT_WEIGHTS, PUBLISHED_WEIGHTS

SamParts = tuple[ImageEncoderViT, PromptEncoder, MaskDecoder]

RANDOM_WEIGHTS_SEED = 20250611
"""Of the random frozen weights: no checkpoint stores them, so every start has to draw the same ones."""

RANDOM_POSITIONS_STD = 0.02
"""Of random positions, as usual for vision transformers; segment-anything starts them at zero, which would
leave a frozen random encoder blind to them."""


def build_foundation(
    config: FoundationConfig, in_channels: int, num_classes: int, config_key: str = "synfoc.foundation"
) -> SemanticSam:
    """Build a semantic SAM in float32 on the CPU and fill its frozen part.

    Args:
        config: Architecture, weights, input handling and rank.
        in_channels: Channels of the patches.
        num_classes: Classes with background, K.
        config_key: Where ``config`` stands below ``semiseg``, for messages.

    Returns:
        The student. LoRA and the decoder's heads are fresh, drawn from torch's random stream; with random
        weights the rest of the decoder and the prompt encoder as well, and only the frozen encoder is always
        the same.

    Raises:
        UserFileError: The checkpoint does not exist.
        UserError: No checkpoint is named and random weights are not asked for, the checkpoint is refused
            (see `load_sam_checkpoint`), or there are fewer than two classes.
    """
    _require_weights(config, config_key)
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


def build_prompted_sam(
    config: PromptedFoundationConfig,
    in_channels: int,
    num_classes: int,
    config_key: str = "knowsam.skd.foundation",
    further_settings: str = "",
) -> PromptedSam:
    """Build a SAM with learned prompts in float32 on the CPU and fill its frozen parts.

    Args:
        config: Architecture, weights, input handling and adapters.
        in_channels: Channels of the patches.
        num_classes: Classes with background, K.
        config_key: Where ``config`` stands below ``semiseg``, for messages.
        further_settings: What the command in a message has to set beside the checkpoint, ``key=value``.

    Returns:
        The branch. Adapters and prompt decoders are fresh, drawn from torch's random stream; all of
        segment-anything is the checkpoint's, mask tokens and heads included, or with random weights always
        the same.

    Raises:
        UserFileError: The checkpoint does not exist.
        UserError: No checkpoint is named and random weights are not asked for, the checkpoint is refused
            (see `load_sam_checkpoint`), or there are fewer than two classes.
    """
    _require_weights(config, config_key, further_settings)
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
    """What tells the frozen parts and their input from others, to be stored and to be compared at resume.

    Args:
        config: As given to `build_foundation` or `build_prompted_sam`.

    Returns:
        The SHA-256 of the checkpoint file or of the random frozen weights, and the settings that no shape
        of a trained weight depends on.

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
    """The same random encoder at every start."""
    with _fixed_random_stream():
        return _with_random_positions(
            build_image_encoder(SAM_ARCHITECTURES[config.architecture], config.image_size)
        )


def _random_parts(config: SamConfig) -> SamParts:
    """The same random parts with the published number of mask tokens at every start."""
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
    """Load checked weights; all that they may leave out are the mask decoder's fresh heads."""
    for name, part in zip(PART_NAMES, parts, strict=True):
        prefix = f"{name}."
        own = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        part.load_state_dict(own, strict=name != "mask_decoder")


def _require_weights(config: SamConfig, config_key: str, further_settings: str = "") -> None:
    """Raise a ValueError with the remedy where neither a checkpoint nor random weights are asked for."""
    if config.checkpoint is not None or config.random_weights:
        return
    weights = PUBLISHED_WEIGHTS[DEFAULT_WEIGHTS[config.normalization]]
    settings = f"{further_settings} {config_key}.checkpoint=/path/{weights.file_name}".lstrip()
    raise UserError(
        f"this method needs a foundation checkpoint and none is named: fetch {weights.owner}'s "
        f"{weights.file_name}, the default choice, with `nnUNetv2_semiseg_weights download {weights.name}` "
        f"or by hand from {weights.place}, and name it with `nnUNetv2_semiseg_configure -d DATASET -c 2d "
        f"--name 2d_{config.normalization} {settings}`, or set {config_key}.random_weights=true for a "
        "trial without use"
    )
