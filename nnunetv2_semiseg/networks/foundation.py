"""From a configuration to a foundation model, and what its frozen weights are called."""

from __future__ import annotations

import hashlib

import torch
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder
from torch import nn

from nnunetv2_semiseg.networks.foundation_config import FoundationConfig
from nnunetv2_semiseg.networks.foundation_input import FoundationInput
from nnunetv2_semiseg.networks.lora import LoraAdaptation
from nnunetv2_semiseg.networks.sam import SAM_ARCHITECTURES, SamEncoder, build_image_encoder, build_sam_parts
from nnunetv2_semiseg.networks.sam_checkpoint import PART_NAMES, load_sam_checkpoint, sha256_of
from nnunetv2_semiseg.networks.semantic_sam import FoundationTrainedParts, SemanticSam

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
        FileNotFoundError: The checkpoint does not exist.
        ValueError: No checkpoint is named and random weights are not asked for, the checkpoint is refused
            (see `load_sam_checkpoint`), or there are fewer than two classes.
    """
    if config.checkpoint is None and not config.random_weights:
        raise ValueError(_where_weights_come_from(config_key))
    architecture = SAM_ARCHITECTURES[config.architecture]
    parts = build_sam_parts(architecture, config.image_size, num_classes)
    if config.checkpoint is None:
        parts = (_random_encoder(config), *parts[1:])
    else:
        _fill(parts, load_sam_checkpoint(config.checkpoint, config.architecture, config.image_size))
    lora = LoraAdaptation(architecture.embed_dim, architecture.depth, config.lora_rank)
    image_input = FoundationInput(in_channels, config.image_size, config.normalization)
    return SemanticSam(SamEncoder(parts[0]), FoundationTrainedParts(image_input, lora, *parts[1:]))


def foundation_identity(config: FoundationConfig) -> dict[str, str]:
    """What tells a frozen encoder and its input from others, to be stored and to be compared at resume.

    Args:
        config: As given to `build_foundation`.

    Returns:
        The SHA-256 of the checkpoint file or of the random encoder's weights, and the settings that no shape
        of a trained weight depends on.

    Raises:
        FileNotFoundError: The checkpoint does not exist.
    """
    settings = {
        "foundation.image_size": str(config.image_size),
        "foundation.normalization": config.normalization,
    }
    if config.checkpoint is not None:
        return {"SHA-256 of the foundation's checkpoint": sha256_of(config.checkpoint), **settings}
    digest = hashlib.sha256()
    for name, tensor in _random_encoder(config).state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.numpy().tobytes())
    return {"SHA-256 of the foundation's random weights": digest.hexdigest(), **settings}


def _random_encoder(config: FoundationConfig) -> ImageEncoderViT:
    """The same random encoder at every start; torch's random stream is left as it was."""
    with torch.random.fork_rng(devices=[]):
        # not torch.manual_seed, which would also seed the GPUs
        torch.default_generator.manual_seed(RANDOM_WEIGHTS_SEED)
        encoder = build_image_encoder(SAM_ARCHITECTURES[config.architecture], config.image_size)
        for name, parameter in encoder.named_parameters():
            if "pos_embed" in name or "rel_pos" in name:
                nn.init.normal_(parameter, std=RANDOM_POSITIONS_STD)
    return encoder


def _fill(parts: tuple[ImageEncoderViT, PromptEncoder, MaskDecoder], state: dict[str, torch.Tensor]) -> None:
    """Load checked weights; what they leave out are the fresh heads."""
    for name, part in zip(PART_NAMES, parts, strict=True):
        prefix = f"{name}."
        own = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        part.load_state_dict(own, strict=name != "mask_decoder")


def _where_weights_come_from(config_key: str) -> str:
    return (
        "this method needs a foundation checkpoint and none is named: fetch MedSAM's medsam_vit_b.pth, the "
        "default choice, from zenodo record 10689643 and name it with `nnUNetv2_semiseg_configure -d DATASET "
        f"-c 2d --name 2d_medsam {config_key}.checkpoint=/path/medsam_vit_b.pth`, or set "
        f"{config_key}.random_weights=true for a trial without use"
    )
