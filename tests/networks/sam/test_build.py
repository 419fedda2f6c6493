from __future__ import annotations

import dataclasses

import pytest
import torch

from nnunetv2_semiseg.core.config import parse_config
from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.networks.sam import build as build_module
from nnunetv2_semiseg.networks.sam.build import (
    build_foundation,
    build_prompted_sam,
    foundation_identity,
    with_weights,
)
from nnunetv2_semiseg.networks.sam.checkpoint import sha256_of
from nnunetv2_semiseg.networks.sam.config import FoundationConfig, PromptedFoundationConfig
from nnunetv2_semiseg.networks.sam.weights.registry import VARIABLE, PublishedWeights


def _frozen(student) -> dict[str, torch.Tensor]:
    return student.encoder.state_dict()


@pytest.fixture
def checkpoint(tiny_config, tmp_path):
    """A file in segment-anything's layout whose every weight differs from fresh ones."""
    donor = build_foundation(tiny_config, in_channels=1, num_classes=4)
    state = {f"image_encoder.{name}": t for name, t in donor.encoder.vit.state_dict().items()}
    for part in ("prompt_encoder", "mask_decoder"):
        state |= {f"{part}.{name}": t for name, t in getattr(donor.trained, part).state_dict().items()}
    state = {name: torch.randn_like(tensor) * 0.1 for name, tensor in state.items()}
    torch.save(state, tmp_path / "tiny.pth")
    return tmp_path / "tiny.pth"


def _with_checkpoint(config, path):
    return dataclasses.replace(config, checkpoint=str(path), random_weights=False)


@pytest.fixture
def prompted_config() -> PromptedFoundationConfig:
    return PromptedFoundationConfig(architecture="vit_tiny", image_size=96, random_weights=True)


def test_defaults_are_the_papers():
    config = FoundationConfig()
    assert (config.architecture, config.image_size, config.lora_rank) == ("vit_b", 512, 4)
    assert (config.normalization, config.checkpoint, config.random_weights) == ("medsam", None, False)
    prompted = PromptedFoundationConfig()
    assert (prompted.architecture, prompted.image_size, prompted.normalization) == ("vit_b", 256, "sam")
    assert (prompted.adapter_ratio, prompted.train_mask_decoder) == (0.25, False)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"image_size": 500}, "image_size = 500"),
        ({"lora_rank": 0}, "lora_rank = 0"),
        ({"architecture": "vit_x"}, "architecture = 'vit_x'"),
        ({"normalization": "none"}, "normalization = 'none'"),
        ({"ckpt": "a"}, "unknown key 'ckpt'; valid keys are architecture, checkpoint"),
        ({"checkpoint": "a.pth", "random_weights": True}, "not both"),
    ],
)
def test_wrong_configurations_are_refused(values, complaint):
    with pytest.raises(ValueError, match=r"^semiseg\.synfoc\.foundation: ") as error:
        parse_config(FoundationConfig, values, "semiseg.synfoc.foundation")
    assert complaint in str(error.value)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"image_size": 250}, "image_size = 250"),
        ({"adapter_ratio": 0.0}, "adapter_ratio = 0.0"),
        ({"adapter_ratio": 1.5}, "adapter_ratio = 1.5"),
        ({"lora_rank": 4}, "unknown key 'lora_rank'"),
        ({"checkpoint": "a.pth", "random_weights": True}, "not both"),
    ],
)
def test_wrong_prompted_configurations_are_refused(values, complaint):
    with pytest.raises(ValueError, match=r"^here: ") as error:
        parse_config(PromptedFoundationConfig, values, "here")
    assert complaint in str(error.value)


def test_without_weights_the_prompted_branch_names_sams():
    with pytest.raises(ValueError, match=r"sam_vit_b_01ec64\.pth") as error:
        with_weights(PromptedFoundationConfig(), "knowsam.skd.foundation")
    message = str(error.value)
    assert "https://dl.fbaipublicfiles.com/segment_anything/" in message
    assert "`nnUNetv2_semiseg_weights download sam_vit_b`" in message
    assert "knowsam.skd.foundation.checkpoint=/path/sam_vit_b_01ec64.pth" in message
    assert "\n" not in message


@pytest.fixture
def published(checkpoint, tmp_path, monkeypatch):
    """The file as a published one, in the weights folder."""
    weights = PublishedWeights(
        name="tiny",
        owner="Nobody",
        architecture="vit_tiny",
        normalization="medsam",
        file_name=checkpoint.name,
        url="",
        place="nowhere",
        known_hash=f"sha256:{sha256_of(checkpoint)}",
        license="",
    )
    monkeypatch.setattr(build_module, "PUBLISHED_WEIGHTS", {"tiny": weights})
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    return checkpoint


def test_a_published_file_in_the_weights_folder_is_found(tiny_config, published):
    without = dataclasses.replace(tiny_config, random_weights=False)
    named = _with_checkpoint(tiny_config, published)
    assert with_weights(without) == named
    assert foundation_identity(with_weights(without)) == foundation_identity(named)
    found, expected = (_frozen(build_foundation(config, 1, 4)) for config in (without, named))
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_named_file_wins_over_the_published_one(tiny_config, published):
    other = _with_checkpoint(tiny_config, "/data/other.pth")
    assert with_weights(other) is other
    assert with_weights(tiny_config) is tiny_config  # random by wish


def test_a_file_of_that_name_with_another_content_is_refused(tiny_config, published):
    with published.open("ab") as file:
        file.write(b"more")
    with pytest.raises(UserError, match=r"tiny\.pth is not Nobody's tiny\.pth as published: remove it"):
        with_weights(dataclasses.replace(tiny_config, random_weights=False))


def test_nobody_has_published_weights_of_a_trial_architecture(tiny_config):
    with pytest.raises(UserError, match=r"foundation\.architecture=vit_tiny and normalization=medsam: name"):
        with_weights(dataclasses.replace(tiny_config, random_weights=False))


def test_single_class_is_refused_by_the_prompted_branch(prompted_config):
    with pytest.raises(ValueError, match="at least one class, got 1"):
        build_prompted_sam(prompted_config, 1, 1)


def test_no_weights_and_no_wish_for_random_ones_is_an_error_with_the_remedy():
    with pytest.raises(ValueError, match=r"medsam_vit_b\.pth") as error:
        with_weights(FoundationConfig(), "knowsam.foundation")
    message = str(error.value)
    assert "zenodo record 10689643" in message
    assert "`nnUNetv2_semiseg_weights download medsam_vit_b`" in message
    assert "nnUNetv2_semiseg_configure" in message
    assert "knowsam.foundation.checkpoint=/path/medsam_vit_b.pth" in message
    assert "knowsam.foundation.random_weights=true" in message
    assert "\n" not in message


def test_random_frozen_weights_are_the_same_at_every_start(tiny_config):
    torch.manual_seed(1)
    first = build_foundation(tiny_config, 1, 2)
    torch.manual_seed(2)
    second = build_foundation(tiny_config, 4, 5)
    assert all(torch.equal(tensor, _frozen(second)[name]) for name, tensor in _frozen(first).items())
    assert first.encoder.vit.pos_embed.abs().max() > 0
    assert first.encoder.vit.blocks[0].attn.rel_pos_h.abs().max() > 0


def test_random_trained_parts_follow_the_random_stream(tiny_config):
    def head(seed):
        torch.manual_seed(seed)
        return build_foundation(tiny_config, 1, 2).trained.mask_decoder.mask_tokens.weight

    assert torch.equal(head(1), head(1))
    assert not torch.equal(head(1), head(2))


def test_identity_leaves_the_random_stream_alone(tiny_config):
    state = torch.get_rng_state()
    foundation_identity(tiny_config)
    assert torch.equal(torch.get_rng_state(), state)


def test_identity(tiny_config, checkpoint):
    random = foundation_identity(tiny_config)
    assert random == foundation_identity(tiny_config)
    assert random != foundation_identity(dataclasses.replace(tiny_config, image_size=128))
    named = foundation_identity(_with_checkpoint(tiny_config, checkpoint))
    assert sha256_of(checkpoint) in named.values()
    for changed in ({"image_size": 128}, {"normalization": "sam"}):
        config = dataclasses.replace(_with_checkpoint(tiny_config, checkpoint), **changed)
        assert foundation_identity(config) != named
    with pytest.raises(FileNotFoundError, match=r"missing\.pth"):
        foundation_identity(_with_checkpoint(tiny_config, "missing.pth"))


def test_checkpoint_fills_all_but_the_heads(tiny_config, checkpoint):
    # four classes: the checkpoint's heads would fit
    student = build_foundation(_with_checkpoint(tiny_config, checkpoint), in_channels=1, num_classes=4)
    state, fresh = torch.load(checkpoint, weights_only=True), []
    modules = {
        "image_encoder": student.encoder.vit,
        "prompt_encoder": student.trained.prompt_encoder,
        "mask_decoder": student.trained.mask_decoder,
    }
    for part, module in modules.items():
        for name, tensor in module.state_dict().items():
            if not torch.equal(tensor, state[f"{part}.{name}"]):
                fresh.append(f"{part}.{name}")
    heads = ("mask_tokens", "output_hypernetworks_mlps", "iou_prediction_head")
    expected = [n for n in state if n.startswith(tuple(f"mask_decoder.{head}" for head in heads))]
    assert sorted(fresh) == sorted(expected)
    assert not any(parameter.requires_grad for parameter in student.encoder.parameters())


def test_checkpoint_serves_any_image_size_and_number_of_classes(tiny_config, checkpoint):
    config = dataclasses.replace(_with_checkpoint(tiny_config, checkpoint), image_size=64)
    for classes in (2, 4):
        student = build_foundation(config, in_channels=1, num_classes=classes)
        assert student(torch.randn(1, 1, 50, 50)).shape == (1, classes, 16, 16)


def _sam_parts(branch) -> dict[str, torch.nn.Module]:
    return {
        "image_encoder": branch.encoder.vit,
        "prompt_encoder": branch.prompt_encoder,
        "mask_decoder": branch.mask_decoder,
    }


def test_prompted_branch_takes_all_of_a_checkpoint(prompted_config, checkpoint):
    branch = build_prompted_sam(_with_checkpoint(prompted_config, checkpoint), 1, 2)
    state = torch.load(checkpoint, weights_only=True)
    loaded = {
        f"{part}.{name}": tensor
        for part, module in _sam_parts(branch).items()
        for name, tensor in module.state_dict().items()
    }
    assert loaded.keys() == state.keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in loaded.items())
    smaller = dataclasses.replace(_with_checkpoint(prompted_config, checkpoint), image_size=64)
    logits = build_prompted_sam(smaller, 1, 5)(torch.randn(1, 1, 50, 50), torch.randn(1, 5, 50, 50))
    assert logits.shape == (1, 5, 16, 16)


@pytest.mark.parametrize("train_mask_decoder", [False, True])
def test_random_frozen_parts_of_the_prompted_branch_are_always_the_same(prompted_config, train_mask_decoder):
    """The mask decoder as well: while it is frozen no checkpoint stores it."""
    config = dataclasses.replace(prompted_config, train_mask_decoder=train_mask_decoder)
    torch.manual_seed(1)
    first = build_prompted_sam(config, 1, 2)
    torch.manual_seed(2)
    second = build_prompted_sam(config, 4, 2)
    for name, part in _sam_parts(first).items():
        other = _sam_parts(second)[name].state_dict()
        assert all(torch.equal(tensor, other[key]) for key, tensor in part.state_dict().items())
    assert first.encoder.vit.pos_embed.abs().max() > 0
    assert not torch.equal(first.prompts.corners.weight, second.prompts.corners.weight)


def test_random_prompted_branch_follows_the_random_stream_and_moves_it_on(prompted_config):
    torch.manual_seed(1)
    first, state = build_prompted_sam(prompted_config, 1, 2), torch.get_rng_state()
    torch.manual_seed(1)
    again = build_prompted_sam(prompted_config, 1, 2)
    assert torch.equal(first.prompts.corners.weight, again.prompts.corners.weight)
    assert torch.equal(torch.get_rng_state(), state)
    foundation_identity(prompted_config)
    assert torch.equal(torch.get_rng_state(), state)


def test_identity_of_the_prompted_branch(prompted_config, tiny_config, checkpoint):
    random = foundation_identity(prompted_config)
    assert random == foundation_identity(prompted_config)
    assert random != foundation_identity(dataclasses.replace(prompted_config, normalization="medsam"))
    assert random != foundation_identity(dataclasses.replace(prompted_config, image_size=128))
    named = foundation_identity(_with_checkpoint(prompted_config, checkpoint))
    assert sha256_of(checkpoint) in named.values()


def test_identity_of_random_weights_covers_the_frozen_mask_decoder(prompted_config, tiny_config):
    same_settings = dataclasses.replace(prompted_config, normalization=tiny_config.normalization)
    assert foundation_identity(same_settings) != foundation_identity(tiny_config)
