"""Once with segment-anything's real architecture and at the paper's image size."""

from __future__ import annotations

import pytest
import torch
from segment_anything import sam_model_registry

from nnunetv2_semiseg.networks.sam.build import build_foundation, build_prompted_sam
from nnunetv2_semiseg.networks.sam.config import FoundationConfig, PromptedFoundationConfig
from nnunetv2_semiseg.networks.sam.deployed import DeployedSemanticSam, deployed_state

pytestmark = pytest.mark.slow


@pytest.fixture
def published(tmp_path):
    """A file like the published ones, with positions that matter."""
    torch.manual_seed(0)
    sam = sam_model_registry["vit_b"]()
    for name, parameter in sam.image_encoder.named_parameters():
        if "pos" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    torch.save(sam.state_dict(), tmp_path / "sam_vit_b.pth")
    return tmp_path / "sam_vit_b.pth"


@pytest.mark.parametrize("num_classes", [2, 4])
def test_load_train_and_deploy_without_the_file(published, num_classes):
    config = FoundationConfig(checkpoint=str(published))
    student = build_foundation(config, in_channels=1, num_classes=num_classes)
    images = torch.randn(1, 1, 256, 224)
    before = student(images)
    assert before.shape == (1, num_classes, 128, 128)
    torch.nn.functional.cross_entropy(before, torch.ones(1, 128, 128, dtype=torch.long)).backward()
    torch.optim.AdamW(student.parameters_to_train(), lr=1e-3).step()
    published.unlink()
    deployed = DeployedSemanticSam(config, in_channels=1, num_classes=num_classes)
    deployed.load_state_dict(deployed_state(student))
    with torch.no_grad():
        expected, got = student.predict(images), deployed(images)
    assert got.shape == (1, num_classes, 256, 224)
    torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-4 * expected.abs().max().item())
    unchanged = torch.nn.functional.interpolate(before, (256, 224), mode="bilinear")
    assert (expected - unchanged).abs().max() > 0.01


def test_encoder_equals_segment_anything_at_its_own_size(published):
    config = FoundationConfig(checkpoint=str(published), image_size=1024, normalization="sam")
    student = build_foundation(config, in_channels=3, num_classes=2)
    sam = sam_model_registry["vit_b"](str(published))
    pixels = torch.randint(0, 256, (1, 3, 1024, 1024)).float()
    # the whole range occurs, so that rescaling to 0..1 is a division by 255
    assert (pixels.min(), pixels.max()) == (0, 255)
    with torch.no_grad():
        expected = sam.image_encoder(sam.preprocess(pixels))
        got = student.encoder(student.trained.image_input(pixels), student.trained.lora)
    torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-4)


def test_prompted_masks_equal_segment_anythings_of_the_same_file(published):
    config = PromptedFoundationConfig(checkpoint=str(published))
    branch = build_prompted_sam(config, in_channels=3, num_classes=2)
    sam = sam_model_registry["vit_b"](str(published))
    images, maps = torch.randn(1, 3, 256, 256), 5 * torch.randn(1, 2, 64, 64)
    with torch.no_grad():
        got = branch(images, maps)
        embeddings = branch.encoder(branch.image_input(images))
        positions = sam.prompt_encoder.pe_layer((16, 16))[None]
        corners = torch.stack([embedding.weight[0] for embedding in sam.prompt_encoder.point_embeddings[2:]])
        boxes = branch.prompts(embeddings + positions) + corners
        for k in range(2):
            mask, _ = sam.mask_decoder(
                embeddings,
                positions,
                boxes[:, k],
                sam.prompt_encoder.mask_downscaling(maps[:, [k]]),
                multimask_output=False,
            )
            torch.testing.assert_close(got[:, [k]], mask, rtol=1e-3, atol=1e-4)
