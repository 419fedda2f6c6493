from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F

from nnunetv2_semiseg.networks.ema import ema_update
from nnunetv2_semiseg.networks.sam.build import build_foundation


def _state(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def _close(got: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


def test_golden_logits_and_masks(golden_sam, golden_file):
    numbers = golden_file("lora_sam_tiny.npz")
    logits = golden_sam.segment_prepared(numbers["in_image"])
    _close(logits, numbers["out_low_res_logits"])
    _close(F.interpolate(logits, (96, 96), mode="bilinear"), numbers["out_masks"])


def test_golden_gradients_of_lora(golden_sam, golden_file):
    numbers = golden_file("lora_sam_tiny.npz")
    (golden_sam.segment_prepared(numbers["in_image"]) ** 2).mean().backward()
    for name, matrix in golden_sam.trained.lora.named_parameters():
        q_or_v, block, a_or_b, _ = name.split(".")
        expected = numbers[f"grad.block{block}.{q_or_v}.{a_or_b}"]
        _close(matrix.grad, expected)
        # the golden gradients are small beside the absolute tolerance
        assert (matrix.grad - expected).abs().max() < 1e-4 * expected.abs().max()


def test_shapes(tiny_sam):
    images = torch.randn(2, 2, 40, 56)
    assert tiny_sam.grid_size == (24, 24)
    assert tiny_sam(images).shape == (2, 3, 24, 24)
    assert tiny_sam.predict(images).shape == (2, 3, 40, 56)


def test_prediction_is_the_logits_brought_to_the_patch(tiny_sam):
    images = torch.randn(2, 2, 40, 56)
    expected = F.interpolate(tiny_sam(images), (40, 56), mode="bilinear", align_corners=False)
    assert torch.equal(tiny_sam.predict(images), expected)


def test_fresh_lora_equals_no_adaptation(tiny_config):
    student, images = build_foundation(tiny_config, in_channels=1, num_classes=2), torch.randn(2, 1, 96, 96)
    with_lora = student(images)
    student.trained.lora = None
    assert torch.equal(with_lora, student(images))


def test_samples_of_a_batch_do_not_touch_each_other(tiny_sam):
    images = torch.randn(3, 2, 48, 48)
    one_by_one = torch.cat([tiny_sam(images[[i]]) for i in range(3)])
    _close(tiny_sam(images), one_by_one)


def test_training_changes_exactly_the_trained_parts(tiny_sam):
    frozen, before = _state(tiny_sam.encoder), _state(tiny_sam.trained)
    parameters = tiny_sam.parameters_to_train()
    optimizer = torch.optim.AdamW(parameters, lr=0.01, weight_decay=0.1)
    tiny_sam(torch.randn(2, 2, 48, 48)).square().mean().backward()
    assert all(parameter.grad is not None for parameter in parameters)
    assert all(parameter.grad is None for parameter in tiny_sam.encoder.parameters())
    optimizer.step()
    assert all(torch.equal(tensor, frozen[name]) for name, tensor in tiny_sam.encoder.state_dict().items())
    changed = {name for name, t in tiny_sam.trained.state_dict().items() if not torch.equal(t, before[name])}
    trained = {name for name, parameter in tiny_sam.trained.named_parameters() if parameter.requires_grad}
    assert changed == trained
    for part in ("image_input.channel_mix", "lora.q.0.A", "lora.v.1.B", "prompt_encoder.no_mask_embed",
                 "mask_decoder.transformer", "mask_decoder.mask_tokens"):  # fmt: skip
        assert any(name.startswith(part) for name in changed), part


def test_teacher_shares_the_encoder_and_takes_no_gradient(tiny_sam):
    teacher = tiny_sam.teacher()
    assert teacher.encoder is tiny_sam.encoder
    ours, theirs = (sam.encoder.vit.pos_embed.data_ptr() for sam in (tiny_sam, teacher))
    assert ours == theirs
    copies = zip(tiny_sam.trained.parameters(), teacher.trained.parameters(), strict=True)
    assert all(a.data_ptr() != b.data_ptr() for a, b in copies)
    images = torch.randn(1, 2, 48, 48)
    assert not teacher(images).requires_grad
    assert torch.equal(teacher(images), tiny_sam(images))
    assert teacher.parameters_to_train() == []


def test_teacher_stays_in_evaluation(tiny_sam):
    teacher = tiny_sam.teacher()
    torch.nn.ModuleList([tiny_sam, teacher]).train()
    assert tiny_sam.training
    assert tiny_sam.trained.training
    assert not any(module.training for module in teacher.train().modules())


def test_teacher_follows_the_student_and_leaves_the_encoder_alone(tiny_sam):
    teacher, images = tiny_sam.teacher(), torch.randn(1, 2, 48, 48)
    writes = [parameter._version for parameter in tiny_sam.encoder.parameters()]
    frozen, old = _state(tiny_sam.encoder), _state(teacher.trained)
    for parameter in tiny_sam.parameters_to_train():
        torch.nn.init.normal_(parameter, std=0.2)
    assert not torch.allclose(teacher(images), tiny_sam(images))
    ema_update(teacher, tiny_sam, 0.9)
    for name, tensor in teacher.trained.state_dict().items():
        _close(tensor, 0.9 * old[name] + 0.1 * tiny_sam.trained.state_dict()[name])
    assert all(torch.equal(tensor, frozen[name]) for name, tensor in teacher.encoder.state_dict().items())
    assert [parameter._version for parameter in teacher.encoder.parameters()] == writes
    ema_update(teacher, tiny_sam, 0.0)
    assert torch.equal(teacher(images), tiny_sam(images))


@pytest.mark.parametrize("in_channels", [1, 2])
def test_trained_state_is_all_that_has_to_be_saved(tiny_config, in_channels, tmp_path):
    student = build_foundation(tiny_config, in_channels, num_classes=3)
    for parameter in student.parameters_to_train():
        torch.nn.init.normal_(parameter, std=0.2)
    torch.save(student.trained.state_dict(), tmp_path / "trained.pth")
    other, images = build_foundation(tiny_config, in_channels, 3), torch.randn(2, in_channels, 48, 48)
    assert not torch.allclose(other(images), student(images))
    other.trained.load_state_dict(torch.load(tmp_path / "trained.pth", weights_only=True))
    assert torch.equal(other(images), student(images))


def test_positional_matrix_is_part_of_the_state(tiny_sam):
    names = tiny_sam.trained.state_dict()
    assert "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix" in names


def test_autocast_stays_close(tiny_sam):
    images = torch.randn(2, 2, 48, 48)
    exact = tiny_sam(images)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = tiny_sam(images)
    assert (rough - exact).abs().max() < 0.05 * exact.abs().max()
    rough.float().square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in tiny_sam.parameters_to_train())


def test_a_copy_is_independent(tiny_sam):
    images = torch.randn(1, 2, 48, 48)
    other = copy.deepcopy(tiny_sam)
    torch.nn.init.zeros_(other.trained.mask_decoder.mask_tokens.weight)
    assert not torch.allclose(other(images), tiny_sam(images))
