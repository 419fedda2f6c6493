from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from segment_anything.modeling import Sam

from nnunetv2_semiseg.networks.sam.model.image_input import FoundationInput, rescale_to_unit


def test_every_sample_is_rescaled_on_its_own_and_jointly_over_channels():
    images = torch.tensor([[[[-4.0, 0.0]], [[4.0, 0.0]]], [[[10.0, 11.0]], [[10.5, 10.0]]]])
    expected = torch.tensor([[[[0.0, 0.5]], [[1.0, 0.5]]], [[[0.0, 1.0]], [[0.5, 0.0]]]])
    torch.testing.assert_close(rescale_to_unit(images), expected)


@pytest.mark.parametrize("value", [0.0, -3.0, 1e30])
def test_constant_image_becomes_zero(value):
    images = torch.stack([torch.full((1, 8, 8), value), torch.rand(1, 8, 8)])
    prepared = FoundationInput(1, 32)(images)
    assert prepared.isfinite().all()
    assert (prepared[0] == 0).all()
    assert prepared[1].max() > 0.5


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_channels(channels):
    image_input = FoundationInput(channels, 32)
    images = torch.rand(2, channels, 20, 24)
    prepared = image_input(images)
    resized = F.interpolate(rescale_to_unit(images), (32, 32), mode="bilinear", align_corners=False)
    expected = resized if channels == 3 else resized.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    assert prepared.shape == (2, 3, 32, 32)
    torch.testing.assert_close(prepared, expected)
    trained = [name for name, _ in image_input.named_parameters()]
    assert trained == (["channel_mix.weight"] if channels in (2, 4) else [])


def test_channel_mix_is_trained():
    image_input = FoundationInput(2, 32)
    image_input(torch.rand(1, 2, 8, 8)).square().sum().backward()
    assert image_input.channel_mix is not None
    assert image_input.channel_mix.weight.grad.abs().min() > 0


def test_sam_normalization_is_that_of_segment_anything():
    images = torch.rand(2, 3, 32, 32)
    sam = Sam(None, None, None)
    expected = (255 * rescale_to_unit(images) - sam.pixel_mean) / sam.pixel_std
    torch.testing.assert_close(FoundationInput(3, 32, "sam")(images), expected, rtol=1e-4, atol=1e-5)


def test_medsam_normalization_leaves_zero_to_one():
    prepared = FoundationInput(3, 32, "medsam")(torch.randn(2, 3, 32, 32) * 100)
    torch.testing.assert_close(prepared.amin(dim=(1, 2, 3)), torch.zeros(2))
    torch.testing.assert_close(prepared.amax(dim=(1, 2, 3)), torch.ones(2))


def test_half_precision_input_is_computed_in_full():
    assert FoundationInput(1, 32)(torch.rand(1, 1, 8, 8).half()).dtype == torch.float32


@pytest.mark.parametrize("shape", [(1, 1, 8, 8), (2, 8, 8), (1, 2, 8, 8, 8)])
def test_wrong_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="2D images of 2 channels"):
        FoundationInput(2, 32)(torch.rand(shape))


def test_no_channels_are_refused():
    with pytest.raises(ValueError, match="at least one channel"):
        FoundationInput(0, 32)
