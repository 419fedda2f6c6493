"""The dynamic head against the released code's numbers, and against a loop over samples and tasks."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nnunetv2_semiseg.networks.dynamic_head import BIASES, LAYERS, WEIGHTS, DynamicHead, convolve_by_sample

THEIR_NAMES = {
    "bottleneck_norm": "GAP.0",
    "controller": "controller",
    "decoder_norm": "precls_conv.0",
    "projection": "precls_conv.2",
}
WEIGHTS_END, BIASES_START, BIASES_END = 144, 160, 178
"""Rows of the released controller that generate what is used; the others belong to a second head."""

used_rows = torch.cat([torch.arange(WEIGHTS_END), torch.arange(BIASES_START, BIASES_END)])


@pytest.fixture
def golden(golden_file) -> dict[str, torch.Tensor]:
    return golden_file("versemi_dynamic_head.npz")


@pytest.fixture
def golden_head(golden) -> DynamicHead:
    head = DynamicHead(256, 16, 5, nn.BatchNorm3d(256), nn.BatchNorm3d(16)).eval()
    state = {}
    for name, own in head.state_dict().items():
        part, rest = name.split(".", 1)
        theirs = golden[f"param.{THEIR_NAMES[part]}.{rest}"]
        state[name] = (theirs[used_rows] if part == "controller" else theirs).reshape(own.shape)
    head.load_state_dict(state)
    assert len(state) == sum(key.startswith("param.") for key in golden)
    return head


def test_golden_parameters(golden, golden_head) -> None:
    parameters = golden_head.generate(golden["in_bottleneck"], golden["in_task_id"][:, None] - 1)
    theirs = golden["out_generated_parameters"][:, used_rows]
    torch.testing.assert_close(parameters[:, 0], theirs, rtol=1e-4, atol=1e-5)


def test_golden_logits(golden, golden_head) -> None:
    tasks = golden["in_task_id"][:, None] - 1
    logits = golden_head(golden["in_bottleneck"], golden["in_decoder_features"], tasks)
    torch.testing.assert_close(logits[:, 0], golden["out_logits"], rtol=1e-4, atol=1e-5)


def by_loop(features: torch.Tensor, parameters: torch.Tensor) -> torch.Tensor:
    """The same without groups: one sample and one task at a time."""
    samples = []
    for sample, of_tasks in zip(features, parameters, strict=True):
        tasks = []
        for generated in of_tasks:
            weights, biases = generated[: sum(WEIGHTS)], generated[sum(WEIGHTS) :]
            x = sample
            layers = zip(LAYERS, weights.split(WEIGHTS), biases.split(BIASES), strict=True)
            for number, ((inputs, outputs), weight, bias) in enumerate(layers):
                x = F.relu(x) if number else x
                x = weight.reshape(outputs, inputs) @ x + bias[:, None]
            tasks.append(x)
        samples.append(torch.stack(tasks))
    return torch.stack(samples)


@pytest.mark.parametrize(("samples", "tasks"), [(1, 1), (3, 1), (1, 4), (3, 4)])
def test_groups_equal_a_loop(samples: int, tasks: int) -> None:
    features = torch.randn(samples, 8, 30, dtype=torch.float64)
    parameters = torch.randn(samples, tasks, sum(WEIGHTS) + sum(BIASES), dtype=torch.float64)
    torch.testing.assert_close(convolve_by_sample(features, parameters), by_loop(features, parameters))


@pytest.fixture
def head() -> DynamicHead:
    return DynamicHead(6, 4, 3, nn.GroupNorm(1, 6), nn.GroupNorm(1, 4))


@pytest.mark.parametrize("space", [(7, 5), (4, 7, 5)])
def test_shapes_of_images_and_volumes(head: DynamicHead, space: tuple[int, ...]) -> None:
    bottleneck, decoded = torch.randn(2, 6, *[2] * len(space)), torch.randn(2, 4, *space)
    logits = head(bottleneck, decoded, torch.tensor([[0, 1, 2], [2, 2, 0]]))
    assert logits.shape == (2, 3, 2, *space)
    torch.testing.assert_close(logits[1, 0], logits[1, 1])  # groups of one convolution may round differently
    assert not torch.allclose(logits[0, 0], logits[0, 1])


def test_a_bottleneck_of_one_pixel(head: DynamicHead) -> None:
    """Instance norm would make all images alike here."""
    parameters = head.generate(torch.randn(2, 6, 1, 1), torch.zeros(2, 1, dtype=torch.int64))
    assert not torch.allclose(parameters[0], parameters[1])


def test_each_sample_is_on_its_own(head: DynamicHead) -> None:
    bottleneck, decoded, tasks = (
        torch.randn(3, 6, 2, 2),
        torch.randn(3, 4, 8, 8),
        torch.tensor([[0], [1], [0]]),
    )
    together = head(bottleneck, decoded, tasks)
    alone = [head(*(part[i : i + 1] for part in (bottleneck, decoded, tasks))) for i in range(3)]
    torch.testing.assert_close(together, torch.cat(alone))


def test_every_parameter_is_trained(head: DynamicHead) -> None:
    tasks = torch.tensor([[0, 1, 2]]).expand(16, -1)
    head(torch.randn(16, 6, 3, 3), torch.randn(16, 4, 8, 8), tasks).square().mean().backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    assert (head.controller.weight.grad.abs().sum(1) > 0).all(), "a generated parameter without use"


def test_mixed_precision_is_finite(head: DynamicHead) -> None:
    decoded = (100 * torch.randn(2, 4, 8, 8)).requires_grad_(True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = head(torch.randn(2, 6, 2, 2), decoded, torch.tensor([[0, 1], [2, 0]]))
    logits.float().square().mean().backward()
    assert torch.isfinite(logits).all()
    assert decoded.grad is not None
    assert torch.isfinite(decoded.grad).all()
