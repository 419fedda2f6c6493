"""Segment-anything as a semantic segmentation network without prompts (SynFoC's foundation model)."""

from __future__ import annotations

import torch
from segment_anything.modeling import MaskDecoder, PromptEncoder
from torch import nn

from nnunetv2_semiseg.networks.ema import keep_in_evaluation, make_teacher
from nnunetv2_semiseg.networks.pixels import bilinear
from nnunetv2_semiseg.networks.sam.model.adaptation import LoraAdaptation
from nnunetv2_semiseg.networks.sam.model.encoder import SamEncoder
from nnunetv2_semiseg.networks.sam.model.image_input import FoundationInput
from nnunetv2_semiseg.networks.sam.model.mask_decoding import decode_without_prompts


class FoundationTrainedParts(nn.Module):
    """All that is trained, and so all that a checkpoint or a teacher has to hold.

    Embeddings of points and mask prompts and the mask-quality head, which nothing reaches without prompts,
    are kept under segment-anything's names but take no gradients.
    """

    def __init__(
        self,
        image_input: FoundationInput,
        lora: LoraAdaptation,
        prompt_encoder: PromptEncoder,
        mask_decoder: MaskDecoder,
    ) -> None:
        """Collect the parts and freeze what is not reached.

        Args:
            image_input: Preparation of images, with a trained convolution for some numbers of channels.
            lora: Updates of the image encoder.
            prompt_encoder: Prompt encoder, of which the "no mask" embedding is trained; the random
                positional matrix is a buffer.
            mask_decoder: Mask decoder with one mask token per class.
        """
        super().__init__()
        self.image_input = image_input
        self.lora = lora
        self.prompt_encoder = prompt_encoder
        self.mask_decoder = mask_decoder
        for name in ("point_embeddings", "not_a_point_embed", "mask_downscaling"):
            getattr(prompt_encoder, name).requires_grad_(False)
        mask_decoder.iou_prediction_head.requires_grad_(False)


class SemanticSam(nn.Module):
    """A frozen image encoder and trained parts around it; one logit map per class."""

    def __init__(self, encoder: SamEncoder, trained: FoundationTrainedParts) -> None:
        """Join the parts.

        Args:
            encoder: Frozen image encoder, which other instances may share.
            trained: All other parts.
        """
        super().__init__()
        self.encoder = encoder
        self.trained = trained

    @property
    def grid_size(self) -> tuple[int, int]:
        """Height and width of the logits that `forward` gives: a quarter of the image size S."""
        return self.encoder.mask_size

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Segment patches on the model's own grid.

        Args:
            images: Patches as nnU-Net's network sees them, ``BxCxHxW``.

        Returns:
            Logits of K classes, ``BxKx(S/4)x(S/4)``.

        Raises:
            ValueError: The images have the wrong number of channels or dimensions.
        """
        return self.segment_prepared(self.trained.image_input(images))

    def segment_prepared(self, prepared: torch.Tensor) -> torch.Tensor:
        """`forward` for images that are prepared already, ``Bx3xSxS``."""
        embeddings = self.encoder(prepared, self.trained.lora)
        return decode_without_prompts(self.trained.prompt_encoder, self.trained.mask_decoder, embeddings)

    def predict(self, images: torch.Tensor) -> torch.Tensor:
        """Logits brought bilinearly to the patches' own grid, ``BxCxHxW`` -> ``BxKxHxW``."""
        return bilinear(self(images), tuple(images.shape[-2:]))

    def teacher(self) -> SemanticSam:
        """A teacher: the same encoder object and a copy of the trained parts that takes no gradients.

        Returns:
            A model that stays in evaluation mode; `ema_update(teacher, student, decay)` moves it.
        """
        return keep_in_evaluation(SemanticSam(self.encoder, make_teacher(self.trained)))

    def parameters_to_train(self) -> list[nn.Parameter]:
        """The parameters for an optimizer, each of which gets a gradient from every loss of the logits."""
        return [parameter for parameter in self.trained.parameters() if parameter.requires_grad]
