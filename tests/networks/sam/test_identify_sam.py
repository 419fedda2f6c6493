"""What a file of weights is, told from its names and shapes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nnunetv2_semiseg.networks.sam.checkpoint import (
    PART_NAMES,
    SamFile,
    identify_sam_checkpoint,
    load_sam_checkpoint,
)
from nnunetv2_semiseg.networks.sam.model.architecture import (
    SAM_ARCHITECTURES,
    build_published_sam_parts,
    build_sam_parts,
)

POSITIONS = "image_encoder.pos_embed"


def weights(architecture: str = "vit_tiny", num_classes: int | None = None) -> dict[str, torch.Tensor]:
    """A state dict with published heads, or with one mask for each class."""
    sizes = SAM_ARCHITECTURES[architecture]
    if num_classes is None:
        parts = build_published_sam_parts(sizes, 96)
    else:
        parts = build_sam_parts(sizes, 96, num_classes)
    named = zip(PART_NAMES, parts, strict=True)
    return {f"{part}.{name}": t for part, module in named for name, t in module.state_dict().items()}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "some.pth"


@pytest.mark.parametrize("architecture", ["vit_tiny", "vit_small"])
def test_architecture_and_heads(file: Path, architecture: str) -> None:
    torch.save({"model": weights(architecture)}, file)
    assert identify_sam_checkpoint(file) == SamFile(architecture, has_heads=True)


def test_other_masks_are_no_published_heads(file: Path) -> None:
    torch.save(weights(num_classes=3), file)
    assert identify_sam_checkpoint(file) == SamFile("vit_tiny", has_heads=False)


def test_missing_heads(file: Path) -> None:
    state = {name: t for name, t in weights().items() if "iou_prediction_head" not in name}
    torch.save(state, file)
    assert identify_sam_checkpoint(file) == SamFile("vit_tiny", has_heads=False)


def test_unknown_architecture(file: Path) -> None:
    state = {name: tensor for name, tensor in weights().items() if "image_encoder.blocks.1." not in name}
    torch.save(state, file)
    with pytest.raises(ValueError, match=r"fits no known architecture \(embedding dimension 24, 1 blocks\)"):
        identify_sam_checkpoint(file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("prompt_encoder.not_a_point_embed.weight"), "lacks 1 weights"),
        (lambda state: state["image_encoder.neck.0.weight"].fill_(torch.nan), "not finite"),
        (lambda state: state.update({POSITIONS: torch.zeros(3)}), r"pos_embed has the shape \(3,\)"),
        (lambda state: state.update({"image_encoder.patch_embed.proj.weight": torch.tensor(1.0)}), "encoder"),
        (lambda state: state.clear(), "has no image encoder"),
    ],
)
def test_all_that_loading_refuses_is_refused(file: Path, change, message: str) -> None:
    state = weights()
    change(state)
    torch.save(state, file)
    for read in (identify_sam_checkpoint, lambda path: load_sam_checkpoint(path, "vit_tiny", 64)):
        with pytest.raises(ValueError, match=message) as error:
            read(file)
        assert str(file) in str(error.value)
