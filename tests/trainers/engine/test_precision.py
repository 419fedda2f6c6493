"""The number format of a training step: what it computes in, and that losses see float32 in any case."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from nnunetv2_semiseg.networks.fused import FusedOutput
from nnunetv2_semiseg.trainers.engine.precision import give_float32, training_autocast, uses_scaler
from nnunetv2_semiseg.trainers.made import nnUNetTrainerFixMatch, nnUNetTrainerSynFoC
from nnunetv2_semiseg.trainers.supervised import nnUNetTrainerSupervised

if TYPE_CHECKING:
    from tests.phantom_workspace import Workspace

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("precision", "expected"),
    [("nnunet", torch.float32), ("float32", torch.float32), ("bfloat16", torch.bfloat16)],
)
def test_layers_compute_on_a_cpu_in(precision: Any, expected: torch.dtype) -> None:
    with training_autocast(CPU, precision):
        assert nn.Linear(2, 2)(torch.ones(1, 2)).dtype == expected


def test_float16_alone_needs_a_scaler() -> None:
    assert uses_scaler(CUDA, "nnunet")
    assert not uses_scaler(CUDA, "bfloat16")
    assert not uses_scaler(CUDA, "float32")
    assert not uses_scaler(CPU, "nnunet")


class Outputs(nn.Module):
    def forward(self, x: torch.Tensor) -> Any:
        half = x.bfloat16()
        return FusedOutput(half, [half, half], (half, x.long()))


def test_every_level_of_an_output_is_given_in_float32() -> None:
    network = Outputs()
    give_float32([network])
    output = network(torch.ones(2))
    assert isinstance(output, FusedOutput)
    assert output.fused.dtype == torch.float32
    assert [level.dtype for level in output.first] == [torch.float32] * 2
    assert [level.dtype for level in output.second] == [torch.float32, torch.int64]


def test_a_step_in_bfloat16_computes_in_it_and_takes_its_losses_in_float32(workspace: Workspace) -> None:
    plans = {**workspace.read_plans(), "continue_training": False}
    plans["configurations"]["2d_tiny"]["semiseg"]["precision"] = "bfloat16"
    trainer = nnUNetTrainerSynFoC(plans, "2d_tiny", 0, workspace.dataset_json, CPU)
    trainer.on_train_start()
    trainer.on_train_epoch_start()
    inner: list[torch.dtype] = []
    blocks = trainer.method.foundation.encoder.vit.blocks
    for network in (trainer.network, trainer.method.network_teacher, blocks):
        layer = next(m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear))
        layer.register_forward_hook(lambda module, arguments, output: inner.append(output.dtype))
    before = [parameter.clone() for parameter in trainer.network.parameters()]
    values = trainer.train_step(next(trainer.dataloader_train))
    assert inner
    assert set(inner) == {torch.bfloat16}
    assert {value.dtype for name, value in values.items() if name.startswith("loss")} == {torch.float32}
    assert all(torch.isfinite(value) for value in values.values())
    after = list(trainer.network.parameters())
    assert {parameter.dtype for parameter in after} == {torch.float32}
    assert not all(torch.equal(old, new) for old, new in zip(before, after, strict=True))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_yardstick_takes_nnunets_step_in_the_configured_precision(
    workspace: Workspace, precision: str
) -> None:
    steps = []
    for chosen in ("nnunet", precision):
        plans = {**workspace.read_plans(), "continue_training": False}
        settings = {"precision": chosen, "seed": 3, "epochs": 1}
        plans["configurations"]["2d_yard"] = {"inherits_from": "2d_small", "semiseg": settings}
        trainer = nnUNetTrainerSupervised(plans, "2d_yard", 0, workspace.dataset_json, CPU)
        trainer.on_train_start()
        trainer.on_train_epoch_start()
        batch = next(trainer.dataloader_train)
        loss = float(trainer.train_step(batch)["loss"])
        steps.append((loss, [parameter.detach().clone() for parameter in trainer.network.parameters()]))
    (loss_before, before), (loss, after) = steps
    if precision == "float32":
        assert loss == loss_before
        assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    else:
        assert loss != loss_before
        assert loss == pytest.approx(loss_before, rel=0.02)


@pytest.mark.parametrize("kind", [nnUNetTrainerSupervised, nnUNetTrainerFixMatch])
def test_volumes_in_bfloat16_on_a_cpu_are_refused(workspace: Workspace, kind: type[Any]) -> None:
    plans = {**workspace.read_plans(), "continue_training": False}
    volumes = {
        "inherits_from": "2d_small",
        "patch_size": [16, 16, 16],
        "semiseg": {"precision": "bfloat16"},
    }
    plans["configurations"]["3d_half"] = volumes
    with pytest.raises(NotImplementedError, match=r"'3d_half': .*3D patches on a CPU.*precision=float32"):
        kind(plans, "3d_half", 0, workspace.dataset_json, CPU)
    assert not workspace.model(kind.__name__, "3d_half").exists()


@pytest.mark.parametrize("size", [(2, 2), (3, 5), (8, 8), (32, 32)])
@pytest.mark.parametrize(("inputs", "outputs", "stride"), [(16, 16, 1), (64, 128, 2), (256, 256, 1)])
def test_gradients_of_planar_convolutions_are_right_in_bfloat16(
    size: tuple[int, int], inputs: int, outputs: int, stride: int
) -> None:
    """As they are not in 3D, which is refused for it."""
    torch.manual_seed(0)
    layer = nn.Conv2d(inputs, outputs, 3, stride, 1)
    images = torch.randn(4, inputs, *size, requires_grad=True)
    upstream = torch.randn_like(layer(images))
    exact = torch.autograd.grad(layer(images), (images, layer.weight), upstream)
    with training_autocast(CPU, "bfloat16"):
        half = layer(images)
    mixed = torch.autograd.grad(half, (images, layer.weight), upstream.bfloat16())
    for gradient, expected in zip(mixed, exact, strict=True):
        assert float((gradient - expected).norm()) < 0.02 * float(expected.norm())


def test_a_trainings_frozen_encoder_is_held_in_bfloat16(workspace: Workspace) -> None:
    """And the exported network is in float32 again."""
    plans = {**workspace.read_plans(), "continue_training": False}
    plans["configurations"]["2d_tiny"]["semiseg"]["precision"] = "bfloat16"
    trainer = nnUNetTrainerSynFoC(plans, "2d_tiny", 0, workspace.dataset_json, CPU)
    trainer.initialize()
    trainer.build_method()
    (encoder,) = trainer.method.frozen_modules()
    assert encoder.vit.blocks[0].attn.qkv.weight.dtype == torch.bfloat16
    for export in trainer.method.exports:
        weights = export.state(trainer.method, trainer.network)
        assert {value.dtype for value in weights.values() if value.is_floating_point()} == {torch.float32}


@pytest.mark.parametrize("module", ["core.config", "methods.base", "trainers.engine.precision"])
def test_what_every_training_imports_loads_no_segment_anything(module: str) -> None:
    code = f"import sys, nnunetv2_semiseg.{module}; print('segment_anything' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
