"""Segment-anything with learned prompts, one for each class (KnowSAM's SAM branch)."""

from __future__ import annotations

import torch
from segment_anything.modeling import MaskDecoder, PromptEncoder
from torch import nn

from nnunetv2_semiseg.networks.ema import keep_in_evaluation
from nnunetv2_semiseg.networks.pixels import bilinear
from nnunetv2_semiseg.networks.sam.model.adaptation import AdapterAdaptation
from nnunetv2_semiseg.networks.sam.model.encoder import SamEncoder
from nnunetv2_semiseg.networks.sam.model.image_input import FoundationInput
from nnunetv2_semiseg.networks.sam.model.mask_decoding import decode_masks, dense_positions
from nnunetv2_semiseg.networks.sam.model.prompts import BoxPromptDecoders, corner_embeddings, mask_prompts


class PromptedSam(nn.Module):
    """Frozen segment-anything around trained adapters and prompt decoders; one mask per class.

    The logits of class k are the mask that segment-anything gives (``multimask_output=False``) to a box-like
    prompt, learned from the image embedding, and a mask prompt, another network's map of that class. They
    compete in a softmax over the classes.
    """

    def __init__(
        self,
        encoder: SamEncoder,
        prompt_encoder: PromptEncoder,
        mask_decoder: MaskDecoder,
        image_input: FoundationInput,
        adapters: AdapterAdaptation,
        prompts: BoxPromptDecoders,
        train_mask_decoder: bool = False,
    ) -> None:
        """Join the parts and freeze those that are not trained.

        Args:
            encoder: Frozen image encoder.
            prompt_encoder: Prompt encoder, frozen here.
            mask_decoder: Mask decoder with the published mask tokens, of which the first one's mask is used;
                frozen here unless ``train_mask_decoder``.
            image_input: Preparation of images, with a trained convolution for some numbers of channels.
            adapters: Trained changes of the image encoder.
            prompts: Trained prompt decoders, one per class.
            train_mask_decoder: Whether to train all of the mask decoder that the first mask depends on.
        """
        super().__init__()
        self.encoder = encoder
        self.prompt_encoder = keep_in_evaluation(prompt_encoder.requires_grad_(False))
        self.mask_decoder = mask_decoder
        self.image_input = image_input
        self.adapters = adapters
        self.prompts = prompts
        self.train_mask_decoder = train_mask_decoder
        if train_mask_decoder:
            mask_decoder.iou_prediction_head.requires_grad_(False)
            mask_decoder.output_hypernetworks_mlps[1:].requires_grad_(False)
        else:
            keep_in_evaluation(mask_decoder.requires_grad_(False))

    @property
    def num_classes(self) -> int:
        """Number of classes K, background included."""
        return self.prompts.num_classes

    @property
    def grid_size(self) -> tuple[int, int]:
        """Height and width of the logits that `forward` gives: a quarter of the image size S."""
        return self.encoder.mask_size

    def forward(self, images: torch.Tensor, mask_logits: torch.Tensor) -> torch.Tensor:
        """Segment patches on the model's own grid.

        The image encoder sees every image once; all classes of all images are decoded as one batch.

        Args:
            images: Patches as nnU-Net's network sees them, ``BxCxHxW``.
            mask_logits: Another network's logits for the same images on any grid, ``BxKxhxw``, which prompt
                SAM and take no gradients.

        Returns:
            Logits of K classes, ``BxKx(S/4)x(S/4)``.

        Raises:
            ValueError: The images have the wrong number of channels or dimensions, or the mask prompts the
                wrong number of images or classes.
        """
        expected = (len(images), self.num_classes)
        if mask_logits.ndim != 4 or mask_logits.shape[:2] != expected:
            raise ValueError(
                f"mask prompts for {expected[0]} images and a SAM branch of {expected[1]} classes have the "
                f"shape {expected[0]} x {expected[1]} x H x W; got {tuple(mask_logits.shape)}"
            )
        embeddings = self.encoder(self.image_input(images), self.adapters)
        positions = dense_positions(self.prompt_encoder)
        boxes = self.prompts(embeddings + positions) + corner_embeddings(self.prompt_encoder)
        masks = decode_masks(
            self.mask_decoder,
            embeddings.repeat_interleave(self.num_classes, dim=0),
            positions,
            sparse=boxes.flatten(0, 1),
            dense=mask_prompts(self.prompt_encoder, mask_logits),
            num_masks=1,
        )
        return masks.reshape(*expected, *masks.shape[2:])

    def predict(self, images: torch.Tensor, mask_logits: torch.Tensor) -> torch.Tensor:
        """`forward` brought bilinearly to the patches' own grid, ``BxKxHxW``."""
        return bilinear(self(images, mask_logits), tuple(images.shape[-2:]))

    def parameters_to_train(self) -> list[nn.Parameter]:
        """The parameters for an optimizer, each of which gets a gradient from every loss of the logits."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def frozen_modules(self) -> tuple[nn.Module, ...]:
        """The parts that are the same at every start and have no place in a checkpoint."""
        frozen = (self.encoder, self.prompt_encoder)
        return frozen if self.train_mask_decoder else (*frozen, self.mask_decoder)
