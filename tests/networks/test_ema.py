from __future__ import annotations

import copy
import pickle

import pytest
import torch
import torch.distributed as dist
from torch import nn

from nnunetv2_semiseg.networks.ema import ema_decay, ema_update, keep_in_evaluation, make_teacher


def _network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout())


def test_decay_starts_as_a_plain_mean():
    assert [ema_decay(step) for step in range(4)] == pytest.approx([0, 1 / 2, 2 / 3, 3 / 4])
    assert ema_decay(98) == pytest.approx(0.98989898)
    assert ema_decay(99) == 0.99
    assert ema_decay(10**6, decay=0.9) == 0.9


def test_update_by_hand_over_start_up():
    student, values = nn.Linear(1, 1, bias=False), [1.0, 4.0, -2.0]
    teacher = make_teacher(student)
    for step, value in enumerate(values):
        nn.init.constant_(student.weight, value)
        ema_update(teacher, student, ema_decay(step))
        # during start-up the teacher is the mean of all students so far
        assert teacher.weight.item() == pytest.approx(sum(values[: step + 1]) / (step + 1))
    ema_update(teacher, student, 0.99)
    assert teacher.weight.item() == pytest.approx(0.99 * 1.0 + 0.01 * -2.0)


def test_buffers_follow_and_counters_are_copied():
    student = _network()
    teacher = make_teacher(student)
    student(torch.randn(4, 1, 8, 8))
    old_mean, new_mean = teacher[1].running_mean.clone(), student[1].running_mean
    ema_update(teacher, student, 0.75)
    torch.testing.assert_close(teacher[1].running_mean, 0.75 * old_mean + 0.25 * new_mean)
    assert teacher[1].num_batches_tracked == 1


def test_decay_zero_copies_bit_by_bit():
    student, teacher = _network(), make_teacher(_network())
    ema_update(teacher, student, 0.0)
    for name, tensor in teacher.state_dict().items():
        assert torch.equal(tensor, student.state_dict()[name])


def test_teacher_is_a_copy_without_gradients_that_stays_in_evaluation():
    student = _network().train()
    teacher = make_teacher(student)
    assert student.training
    assert all(parameter.requires_grad for parameter in student.parameters())
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert teacher[0].weight.data_ptr() != student[0].weight.data_ptr()
    teacher.train()
    nn.ModuleList([student, teacher]).train()
    assert not any(module.training for module in teacher.modules())
    assert teacher.state_dict().keys() == student.state_dict().keys()


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))], ids=["copy", "pickle"]
)
def test_a_copied_teacher_still_stays_in_evaluation(copied):
    teacher = copied(make_teacher(_network()))
    assert teacher.train() is teacher
    assert not any(module.training for module in teacher.modules())


def test_keep_in_evaluation_returns_the_module():
    module = _network()
    assert keep_in_evaluation(module) is module
    assert not module.training


def test_compiled_student():
    student = _network()
    compiled = torch.compile(student)
    teacher = make_teacher(compiled)
    assert type(teacher) is nn.Sequential
    nn.init.ones_(student[0].weight)
    ema_update(teacher, compiled, 0.0)
    assert torch.equal(teacher[0].weight, student[0].weight)


def test_distributed_student():
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        student = nn.parallel.DistributedDataParallel(_network())
        teacher = make_teacher(student)
        ema_update(teacher, student, 0.5)
        assert type(teacher) is nn.Sequential
    finally:
        dist.destroy_process_group()


def test_different_networks_are_refused():
    with pytest.raises(ValueError, match=r"different networks.*bias"):
        ema_update(nn.Linear(2, 2), nn.Linear(2, 2, bias=False), 0.5)
