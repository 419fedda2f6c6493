from __future__ import annotations

import copy
import dataclasses

import pytest
import torch
from torch import nn

from nnunetv2_semiseg.methods.losses.segmentation import seg_loss
from nnunetv2_semiseg.networks.sam.build import build_prompted_sam
from nnunetv2_semiseg.networks.sam.config import PromptedFoundationConfig
from nnunetv2_semiseg.networks.sam.model.mask_decoding import dense_positions
from nnunetv2_semiseg.networks.sam.model.prompts import corner_embeddings
from nnunetv2_semiseg.networks.sam.prompted import PromptedSam

BATCH, CLASSES = 2, 3


@pytest.fixture
def config() -> PromptedFoundationConfig:
    return PromptedFoundationConfig(architecture="vit_tiny", image_size=96, random_weights=True)


def _build(config: PromptedFoundationConfig) -> PromptedSam:
    """For two-channel patches; the adapters are no longer zero."""
    branch = build_prompted_sam(config, in_channels=2, num_classes=CLASSES)
    for parameter in branch.adapters.parameters():
        nn.init.normal_(parameter, std=0.3)
    return branch


@pytest.fixture
def branch(config) -> PromptedSam:
    return _build(config)


@pytest.fixture
def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(BATCH, 2, 80, 64), 5 * torch.randn(BATCH, CLASSES, 80, 64)


def _own_way(branch: PromptedSam, images: torch.Tensor, mask_logits: torch.Tensor, boxes) -> torch.Tensor:
    """Segment-anything's prompt encoder and mask decoder, image by image and class by class.

    ``boxes`` gives sparse embeddings from image and class, or is a tensor of boxes, ``BxKx4``.
    """
    embeddings = branch.encoder(branch.image_input(images), branch.adapters)
    masks = nn.functional.interpolate(mask_logits, (24, 24), mode="bilinear")
    rows = []
    for image in range(BATCH):
        for k in range(CLASSES):
            given = boxes[image, k][None] if isinstance(boxes, torch.Tensor) else None
            sparse, dense = branch.prompt_encoder(points=None, boxes=given, masks=masks[image, k][None, None])
            if given is None:
                sparse = boxes(embeddings[[image]], k)
            mask, _ = branch.mask_decoder(
                image_embeddings=embeddings[[image]],
                image_pe=branch.prompt_encoder.get_dense_pe(),
                sparse_prompt_embeddings=sparse,
                dense_prompt_embeddings=dense,
                multimask_output=False,
            )
            rows.append(mask[0, 0])
    return torch.stack(rows).reshape(BATCH, CLASSES, 24, 24)


def test_one_batch_equals_segment_anything_one_by_one(branch, inputs):
    def learned(embedding: torch.Tensor, k: int) -> torch.Tensor:
        prompts = branch.prompts(embedding + dense_positions(branch.prompt_encoder))
        return prompts[:, k] + corner_embeddings(branch.prompt_encoder)

    got = branch(*inputs)
    assert got.shape == (BATCH, CLASSES, *branch.grid_size) == (BATCH, CLASSES, 24, 24)
    torch.testing.assert_close(got, _own_way(branch, *inputs, learned), rtol=1e-4, atol=1e-5)
    assert got.std(dim=0).max() > 1e-3


def test_prompts_at_the_corners_of_a_box_equal_that_box(branch, inputs):
    """Were the decoders to find a box's corners, the branch would be segment-anything with that box."""
    boxes = torch.rand(BATCH, CLASSES, 4) * 90

    class Boxes(nn.Module):
        num_classes = CLASSES

        def forward(self, embeddings):
            corners = boxes.reshape(-1, 2, 2) + 0.5
            positions = branch.prompt_encoder.pe_layer.forward_with_coords(corners, (96, 96))
            return positions.reshape(BATCH, CLASSES, 2, -1)

    branch.prompts = Boxes()
    torch.testing.assert_close(branch(*inputs), _own_way(branch, *inputs, boxes), rtol=1e-4, atol=1e-5)


def test_encoder_and_mask_decoder_run_once(branch, inputs):
    """The encoder sees each image, the decoder each class of each image, all as one batch."""
    seen = []
    parts = (branch.encoder, branch.mask_decoder.transformer, branch.mask_decoder.output_upscaling)
    for part in parts:
        part.register_forward_hook(lambda module, args, out: seen.append((module, len(args[0]))))
    branch(*inputs)
    assert seen == list(zip(parts, (BATCH, BATCH * CLASSES, BATCH * CLASSES), strict=True))


def test_predict_is_on_the_patch_grid(branch, inputs):
    expected = nn.functional.interpolate(branch(*inputs), (80, 64), mode="bilinear")
    assert torch.equal(branch.predict(*inputs), expected)


def _step(branch: PromptedSam, inputs) -> torch.Tensor:
    labels = torch.randint(CLASSES, (BATCH, 80, 64))
    return seg_loss(branch.predict(*inputs), labels, torch.ones_like(labels).bool())


@pytest.mark.parametrize("train_mask_decoder", [False, True])
def test_exactly_the_trained_parameters_are_reached(config, inputs, train_mask_decoder):
    branch = _build(dataclasses.replace(config, train_mask_decoder=train_mask_decoder))
    images, mask_logits = inputs
    mask_logits.requires_grad_(True)
    _step(branch, (images, mask_logits)).backward()
    reached = {name for name, p in branch.named_parameters() if p.grad is not None and p.grad.any()}
    trained = {id(parameter) for parameter in branch.parameters_to_train()}
    assert reached == {name for name, p in branch.named_parameters() if id(p) in trained}
    parts = {"image_input", "adapters", "prompts"} | ({"mask_decoder"} if train_mask_decoder else set())
    assert {name.split(".")[0] for name in reached} == parts
    assert mask_logits.grad is None


def test_trained_mask_decoder_has_a_single_mask(config):
    branch = _build(dataclasses.replace(config, train_mask_decoder=True))
    still = [n for n, p in branch.mask_decoder.named_parameters() if not p.requires_grad]
    assert still
    assert all(
        name.startswith("iou_prediction_head")
        or (
            name.startswith("output_hypernetworks_mlps")
            and not name.startswith("output_hypernetworks_mlps.0")
        )
        for name in still
    )


@pytest.mark.parametrize("train_mask_decoder", [False, True])
def test_frozen_modules_hold_all_that_is_not_trained(config, train_mask_decoder):
    """What is in no frozen module is stored in checkpoints, what is in one never changes."""
    branch = _build(dataclasses.replace(config, train_mask_decoder=train_mask_decoder))
    frozen = {id(t) for m in branch.frozen_modules() for t in (*m.parameters(), *m.buffers())}
    assert not frozen & {id(parameter) for parameter in branch.parameters_to_train()}
    stored = {name for name, t in branch.named_parameters() if id(t) not in frozen}
    stored |= {name for name in branch.state_dict() if name in dict(branch.named_buffers())} - {
        name for name, t in branch.named_buffers() if id(t) in frozen
    }
    parts = {"image_input", "adapters", "prompts"} | ({"mask_decoder"} if train_mask_decoder else set())
    assert {name.split(".")[0] for name in stored} == parts
    branch.train()
    assert not any(module.training for part in branch.frozen_modules() for module in part.modules())
    assert branch.prompts.training


def test_frozen_parts_stay_through_steps(branch, inputs):
    before = [copy.deepcopy(part.state_dict()) for part in branch.frozen_modules()]
    optimizer = torch.optim.Adam(branch.parameters_to_train(), lr=1e-2)
    first = _step(branch, inputs)
    for _ in range(3):
        optimizer.zero_grad()
        _step(branch, inputs).backward()
        optimizer.step()
    assert not torch.equal(first, _step(branch, inputs))
    for part, old in zip(branch.frozen_modules(), before, strict=True):
        assert all(torch.equal(tensor, old[name]) for name, tensor in part.state_dict().items())


def test_image_and_mask_prompt_both_matter(branch, inputs):
    images, masks = inputs
    before = branch(images, masks)
    assert (branch(images.flip(-1), masks) - before).abs().max() > 1e-3
    assert (branch(images, -masks) - before).abs().max() > 1e-3


def test_each_class_has_its_own_mask_prompt(branch, inputs):
    images, masks = inputs
    changed = masks.clone()
    changed[:, 1] *= -1
    difference = (branch(images, changed) - branch(images, masks)).abs().amax(dim=(0, 2, 3))
    assert difference[1] > 1e-3
    assert difference[[0, 2]].max() == 0


def test_mixed_precision_is_finite_and_close(branch, inputs):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = _step(branch, inputs)
        mixed = branch(*inputs)
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(parameter.grad).all() for parameter in branch.parameters_to_train())
    full = branch(*inputs)
    assert (mixed.float() - full).abs().max() < 0.1 * full.abs().max()


@pytest.mark.parametrize(
    "shape", [(2, 4, 80, 64), (2, 1, 80, 64), (1, 3, 80, 64), (2, 3, 80)], ids=lambda s: "x".join(map(str, s))
)
def test_other_mask_prompts_are_refused(branch, inputs, shape):
    with pytest.raises(ValueError, match=r"2 images and a SAM branch of 3 classes .* got \(") as error:
        branch(inputs[0], torch.randn(shape))
    assert "\n" not in str(error.value)
