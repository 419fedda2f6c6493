"""A planned U-Net with a dynamic head: training and plain calls, limiting, both families in 2D and 3D."""

from __future__ import annotations

import pytest
import torch
from planned_unet import plain, residual

from nnunetv2_semiseg.networks.ema import ema_update, make_teacher
from nnunetv2_semiseg.networks.outputs import set_deep_supervision
from nnunetv2_semiseg.networks.task_network import TaskNetwork, build_task_network

TASKS = 3
both_families = pytest.mark.parametrize("family", [plain, residual])
any_dimension = pytest.mark.parametrize("dimension", [2, 3])


def images(dimension: int, count: int = 2) -> torch.Tensor:
    return torch.randn(count, 2, *[16] * dimension)


@pytest.fixture
def network() -> TaskNetwork:
    return build_task_network(plain(2), 2, TASKS)


@both_families
@any_dimension
def test_shapes(family, dimension: int) -> None:
    network, batch = build_task_network(family(dimension), 2, TASKS), images(dimension)
    space = batch.shape[2:]
    assert network(batch).shape == (2, 1 + TASKS, *space)
    assert network(batch, tasks=torch.tensor([0, network.synthetic_task])).shape == (2, 2, *space)
    assert network(batch, tasks=torch.tensor([[0, 1, 2, 3]] * 2)).shape == (2, 4, 2, *space)


@both_families
@any_dimension
def test_every_parameter_is_trained(family, dimension: int) -> None:
    network = build_task_network(family(dimension), 2, TASKS).train()
    for parameter in network.parameters():
        if parameter.ndim == 1 and not parameter.any():
            torch.nn.init.ones_(parameter)  # nnU-Net starts residual blocks as the identity
    network(images(dimension), tasks=torch.tensor([[0, 3], [2, 1]])).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    for part in (network.encoder, network.decoder.stages, network.decoder.transpconvs, network.head):
        assert all(p.grad.abs().sum() > 0 for n, p in part.named_parameters() if n.endswith("weight"))


def test_tasks_matter(network: TaskNetwork) -> None:
    logits = network(images(2), tasks=torch.arange(TASKS + 1).expand(2, -1))
    for first in range(TASKS + 1):
        for second in range(first):
            assert not torch.allclose(logits[:, first], logits[:, second])


def test_several_tasks_equal_single_ones(network: TaskNetwork) -> None:
    batch, tasks = images(2), torch.tensor([[3, 0, 1], [1, 1, 2]])
    together = network(batch, tasks=tasks)
    alone = torch.stack([network(batch, tasks=of_task) for of_task in tasks.unbind(1)], dim=1)
    torch.testing.assert_close(together, alone)


@any_dimension
def test_a_plain_call_stacks_the_tasks(dimension: int) -> None:
    network, batch = build_task_network(residual(dimension), 2, TASKS), images(dimension)
    output = network(batch)
    assert (output[:, 0] == 0).all()
    for task in range(TASKS):
        background, foreground = network(batch, tasks=torch.full((2,), task)).unbind(1)
        torch.testing.assert_close(output[:, task + 1], foreground - background)


def test_with_one_task_nnunets_softmax_is_the_pairs() -> None:
    network, batch = build_task_network(plain(2), 2, 1), images(2)
    pair = network(batch, tasks=torch.zeros(2, dtype=torch.int64))
    torch.testing.assert_close(network(batch).softmax(1), pair.softmax(1))


@pytest.mark.parametrize("tasks", [[1], [2, 0], [2, 1, 0]])
def test_a_limited_network_gives_the_same_for_its_tasks(network: TaskNetwork, tasks: list[int]) -> None:
    batch = images(2)
    expected = network(batch)[:, [0, *(task + 1 for task in tasks)]]
    torch.testing.assert_close(network.limited_to(tasks)(batch), expected)
    exported = build_task_network(plain(2), 2, TASKS, tasks)
    exported.load_state_dict(network.state_dict())
    torch.testing.assert_close(exported(batch), expected)


def test_limiting_shares_weights_and_mode(network: TaskNetwork) -> None:
    limited = network.eval().limited_to([1])
    assert not limited.training
    own = dict(network.named_parameters())
    assert all(parameter is own[name] for name, parameter in limited.named_parameters())
    assert limited.num_tasks == limited.synthetic_task == TASKS


@pytest.mark.parametrize("tasks", [[], [0, 0], [TASKS], [-1]])
def test_impossible_limits(network: TaskNetwork, tasks: list[int]) -> None:
    with pytest.raises(ValueError, match="cannot be limited to the tasks"):
        network.limited_to(tasks)


def test_deep_supervision_changes_nothing(network: TaskNetwork) -> None:
    batch = images(2)
    before = network(batch)
    assert torch.equal(set_deep_supervision(network, True)(batch), before)


@both_families
def test_names_of_the_state_are_those_of_nnunet_and_the_head(family) -> None:
    names = list(build_task_network(family(2), 2, TASKS).state_dict())
    assert names == list(build_task_network(family(2), 2, TASKS, [1]).state_dict())
    assert {name.split(".", 1)[0] for name in names} == {"encoder", "decoder", "head"}
    assert not any("seg_layers" in name or "shown" in name for name in names)
    assert [name for name in names if name.startswith("head.")] == [
        f"head.{part}.{kind}"
        for part in ("bottleneck_norm", "controller", "decoder_norm", "projection")
        for kind in ("weight", "bias")
    ]


def test_a_teacher_follows(network: TaskNetwork) -> None:
    teacher, batch = make_teacher(network), images(2)
    with torch.no_grad():
        network.head.controller.bias.add_(1)
    assert not torch.allclose(teacher(batch), network(batch))
    ema_update(teacher, network, 0)
    assert torch.equal(teacher(batch), network(batch))


def test_plans_without_normalisation() -> None:
    entry = plain(2)
    entry["arch_kwargs"] |= {"norm_op": None, "norm_op_kwargs": None}
    assert build_task_network(entry, 2, TASKS)(images(2)).shape[1] == 1 + TASKS


def test_mixed_precision_is_finite(network: TaskNetwork) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        plain_call = network(100 * images(2))
        logits = network(100 * images(2), tasks=torch.tensor([[0, 3], [2, 1]]))
    logits.float().square().mean().backward()
    assert torch.isfinite(plain_call).all()
    assert torch.isfinite(logits).all()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters())


def test_another_architecture_is_refused() -> None:
    name = "torch.nn.Identity"
    entry = {"network_class_name": name, "arch_kwargs": {}, "_kw_requires_import": []}
    with pytest.raises(ValueError, match=f"planned network {name}"):
        build_task_network(entry, 2, TASKS)


def test_compiled_equals_plain(network: TaskNetwork) -> None:
    """Trainings on CUDA compile the network, and call it with and without tasks."""
    compiled = torch.compile(network, backend="eager")
    batch = images(2)
    every = torch.arange(TASKS + 1).expand(2, -1)
    torch.testing.assert_close(compiled(batch), network(batch))
    for tasks in (every, torch.tensor([0, 2]), every[:, :1]):
        torch.testing.assert_close(compiled(batch, tasks=tasks), network(batch, tasks=tasks))
    one = images(2, count=1)
    torch.testing.assert_close(compiled(one, tasks=every[:1, 1:]), network(one, tasks=every[:1, 1:]))
