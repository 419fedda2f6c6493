"""One U-Net for many tasks, each of which is a structure of one data set: what VerSemi deploys.

Zeng et al., "Segment together: a versatile paradigm for semi-supervised medical image segmentation",
IEEE TMI 2025.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.networks.dynamic_head import DynamicHead
from nnunetv2_semiseg.networks.outputs import full_resolution
from nnunetv2_semiseg.networks.planned import PLAIN, RESIDUAL, build_planned


class TaskNetwork(nn.Module):
    """Encoder and decoder of a planned U-Net, and a dynamic head in the place of its last convolution.

    T tasks have the ids 0 to T - 1; T is the synthetic task, any foreground at all, which is trained and not
    deployed. There are no lower outputs: deep supervision must be off in the trainer
    (``enable_deep_supervision = False``), and switching it on in the network changes nothing.
    """

    shown: torch.Tensor

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, head: DynamicHead, tasks: Sequence[int] | None = None
    ) -> None:
        """Join the parts.

        Args:
            encoder: Gives the features of all stages, the bottleneck last.
            decoder: Gives the features of its last stage, or a list with these first.
            head: Head of all tasks and the synthetic one.
            tasks: Tasks that a plain call answers, in this order; None for all but the synthetic one.

        Raises:
            UserError: ``tasks`` names none, one twice or one that there is not.
        """
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.head = head
        shown = list(range(self.num_tasks) if tasks is None else tasks)
        if not shown or len(set(shown)) < len(shown) or not set(shown) <= set(range(self.num_tasks)):
            raise UserError(
                f"a network of {self.num_tasks} tasks cannot be limited to the tasks {shown}: name some of "
                f"0 to {self.num_tasks - 1}, each once"
            )
        # not stored: which tasks are shown is no weight, and all limited networks load the same state
        self.register_buffer("shown", torch.tensor(shown), persistent=False)

    @property
    def num_tasks(self) -> int:
        """Number of tasks T, the synthetic one not counted."""
        return self.head.num_slots - 1

    @property
    def synthetic_task(self) -> int:
        """Id of the synthetic task."""
        return self.num_tasks

    def forward(self, images: torch.Tensor, tasks: torch.Tensor | None = None) -> torch.Tensor:
        """Segment patches.

        Args:
            images: ``B x C x S``.
            tasks: Task ids, ``B`` or, for several tasks of each image, ``B x K``; None for a plain call.

        Returns:
            Logits of background and foreground, ``B x 2 x S`` or ``B x K x 2 x S``. A plain call gives
            ``[0, d_1, ..., d_T]``, ``B x 1 + T x S``, with d the foreground's logit minus the background's:
            logits of nnU-Net's classes. For one task their softmax is that of the pair.
        """
        skips = self.encoder(images)
        decoded = full_resolution(self.decoder(skips))
        if tasks is None:
            logits = self.head(skips[-1], decoded, self.shown.expand(len(images), -1))
            difference = logits[:, :, 1] - logits[:, :, 0]
            return torch.cat([torch.zeros_like(difference[:, :1]), difference], dim=1)
        logits = self.head(skips[-1], decoded, tasks.reshape(len(images), -1))
        return logits if tasks.ndim == 2 else logits[:, 0]

    def limited_to(self, tasks: Sequence[int]) -> TaskNetwork:
        """A network with the same weights, shared, whose plain calls answer the given tasks in that order.

        Raises:
            UserError: ``tasks`` names none, one twice or one that there is not.
        """
        return TaskNetwork(self.encoder, self.decoder, self.head, tasks).train(self.training)


def build_task_network(
    architecture: Mapping[str, Any], in_channels: int, num_tasks: int, tasks: Sequence[int] | None = None
) -> TaskNetwork:
    """The planned U-Net with a dynamic head for ``num_tasks`` tasks and the synthetic one.

    Args:
        architecture: nnU-Net's entry of a configuration, 2D or 3D.
        in_channels: Channels of an image.
        num_tasks: Number of tasks T, which is that of nnU-Net's classes without background.
        tasks: Tasks that a plain call answers, None for all; this changes nothing about the weights.

    Returns:
        The network.

    Raises:
        UserError: The planned network is none of nnU-Net's U-Nets.
    """
    unet: Any = build_planned(architecture, in_channels, num_classes=1)
    if not hasattr(getattr(unet, "decoder", None), "seg_layers"):
        raise UserError(
            f"no head for several tasks can be put on the planned network "
            f"{architecture['network_class_name']}, architecture.network_class_name in the plans: plan with "
            f"{PLAIN} or {RESIDUAL}, nnU-Net's own networks"
        )
    # the decoder gives features instead of logits, however its deep supervision is set
    unet.decoder.seg_layers = nn.ModuleList(nn.Identity() for _ in unet.decoder.seg_layers)
    channels = unet.encoder.output_channels
    head = DynamicHead(
        bottleneck_channels=channels[-1],
        decoder_channels=channels[0],
        num_slots=num_tasks + 1,
        # one group: no statistics of the batch, and the channels keep their means relative to each other
        bottleneck_norm=nn.GroupNorm(1, channels[-1]),
        decoder_norm=_planned_norm(unet.encoder, channels[0]),
    )
    return TaskNetwork(unet.encoder, unet.decoder, head, tasks)


def _planned_norm(encoder: Any, channels: int) -> nn.Module:
    """A normalisation of the kind that the plans name."""
    if encoder.norm_op is None:
        return nn.Identity()
    norm: nn.Module = encoder.norm_op(channels, **(encoder.norm_op_kwargs or {}))
    return norm
