"""What a frozen encoder keeps for a training, and in which precision: never what it computes."""

from __future__ import annotations

import copy

import pytest
import torch

from nnunetv2_semiseg.networks.sam.build import build_foundation
from nnunetv2_semiseg.networks.sam.config import FoundationConfig
from nnunetv2_semiseg.networks.sam.deployed import DeployedSemanticSam, deployed_state
from nnunetv2_semiseg.networks.sam.model.prediction_precision import VARIABLE
from nnunetv2_semiseg.networks.sam.semantic import SemanticSam

CONFIG = FoundationConfig(architecture="vit_tiny", random_weights=True, image_size=96)


def _student(seed: int = 1) -> SemanticSam:
    torch.manual_seed(seed)
    student = build_foundation(CONFIG, in_channels=1, num_classes=3)
    for parameter in student.parameters_to_train():
        torch.nn.init.normal_(parameter, std=0.1)
    return student


def _step(student: SemanticSam, images: torch.Tensor, mixed: bool) -> list[torch.Tensor]:
    """Logits and the gradients of all that is trained."""
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed, cache_enabled=False):
        logits = student(images)
    return [logits, *torch.autograd.grad(logits.float().square().mean(), student.parameters_to_train())]


def test_held_in_half_precision_computes_what_autocast_computes() -> None:
    """Bit for bit: the weights are rounded once instead of in every pass."""
    student, images = _student(), torch.rand(2, 1, 96, 96)
    expected = _step(student, images, mixed=True)
    student.encoder.hold_in(torch.bfloat16)
    for ours, theirs in zip(_step(student, images, mixed=True), expected, strict=True):
        assert torch.equal(ours, theirs)


def test_held_in_half_precision_takes_half_the_memory() -> None:
    """In the blocks, where nearly all of the weights are."""
    encoder = _student().encoder
    held = copy.deepcopy(encoder)
    held.hold_in(torch.bfloat16)

    def of_layers(one: torch.nn.Module) -> int:
        layers = (m for m in one.vit.blocks.modules() if isinstance(m, torch.nn.Linear))
        return sum(p.element_size() * p.numel() for layer in layers for p in layer.parameters())

    assert of_layers(held) * 2 == of_layers(encoder)
    assert held.vit.pos_embed.dtype == torch.float32


@pytest.mark.parametrize("held", [False, True])
def test_patches_and_neck_are_computed_in_float32(held: bool) -> None:
    """Mixed precision is for the blocks, and there for the linear layers."""
    student = _student()
    if held:
        student.encoder.hold_in(torch.bfloat16)
    vit = student.encoder.vit
    computed: dict[str, torch.dtype] = {}

    def note(name: str, module: torch.nn.Module) -> None:
        module.register_forward_hook(lambda _, __, output: computed.update({name: output.dtype}))

    note("patches", vit.patch_embed)
    note("mlp", vit.blocks[0].mlp.lin2)
    for name, layer in vit.neck.named_children():
        note(name, layer)
    with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
        embeddings = student.encoder(torch.rand(1, 3, 96, 96).bfloat16())
    assert computed.pop("mlp") == torch.bfloat16
    assert set(computed.values()) == {torch.float32}
    assert embeddings.dtype == torch.float32


def test_blocks_work_on_tokens_that_lie_one_after_the_other_in_memory() -> None:
    """Else each layer norm copies them first: a tenth of a prediction's time."""
    student, contiguous = _student(), []
    for block in student.encoder.vit.blocks:
        block.norm2.register_forward_pre_hook(lambda _, inputs: contiguous.append(inputs[0].is_contiguous()))
    student(torch.rand(2, 1, 96, 96))
    assert contiguous == [True] * len(student.encoder.vit.blocks)


def test_held_encoder_works_without_autocast_and_gives_float32() -> None:
    student, images = _student(), torch.rand(1, 1, 96, 96)
    exact = student(images)
    student.encoder.hold_in(torch.bfloat16)
    rough = student(images)
    assert rough.dtype == torch.float32
    assert not torch.equal(rough, exact)
    torch.testing.assert_close(rough, exact, rtol=0.05, atol=0.05 * exact.abs().max().item())


def test_export_of_a_held_encoder_is_float32_and_predicts_the_same(monkeypatch) -> None:
    """Bit for bit: what training has rounded is rounded no further, LoRA above all."""
    monkeypatch.setenv(VARIABLE, "bfloat16")
    student, images = _student(), torch.rand(1, 1, 64, 64)
    student.encoder.hold_in(torch.bfloat16)
    deployed = DeployedSemanticSam(CONFIG, in_channels=1, num_classes=3)
    state = deployed_state(student)
    assert {tensor.dtype for tensor in state.values()} == {torch.float32}
    deployed.load_state_dict(state)
    with torch.no_grad():
        assert torch.equal(deployed(images), student.predict(images))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_export_leaves_a_held_encoder_as_it_is_and_keeps_what_was_trained(dtype) -> None:
    """What is exported of the blocks is what the training has computed with, and all else to the last bit."""
    student = _student()
    before = {name: tensor.clone() for name, tensor in student.state_dict().items()}
    student.encoder.hold_in(dtype)
    held = {name: tensor.clone() for name, tensor in student.state_dict().items()}
    exported = deployed_state(student)
    layers = {f"encoder.vit.{name}" for name, m in student.encoder.vit.named_modules() if _is_held(name, m)}
    for name, tensor in student.state_dict().items():
        assert tensor.dtype == held[name].dtype
        assert torch.equal(tensor, held[name])
        rounded = name.rpartition(".")[0] in layers
        expected = before[name].to(dtype).float() if rounded else before[name]
        assert torch.equal(exported[f"sam.{name}"], expected)


def _is_held(name: str, module: torch.nn.Module) -> bool:
    return name.startswith("blocks.") and isinstance(module, torch.nn.Linear)


@pytest.mark.parametrize("mixed", [False, True], ids=["float32", "bfloat16"])
def test_checkpointing_changes_no_result(mixed: bool) -> None:
    student, images = _student(), torch.rand(2, 1, 96, 96)
    expected = _step(student, images, mixed)
    student.encoder.checkpointing = True
    for ours, theirs in zip(_step(student, images, mixed), expected, strict=True):
        assert torch.equal(ours, theirs)


def test_checkpointing_keeps_less_for_the_backward_pass() -> None:
    """Counted in what autograd saves, the frozen weights left out."""
    student, images = _student(), torch.rand(2, 1, 96, 96)
    weights = {p.untyped_storage().data_ptr() for p in student.parameters()}

    def kept() -> int:
        sizes: dict[int, int] = {}

        def note(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in weights:
                sizes[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            embeddings = student.encoder(student.trained.image_input(images), student.trained.lora)
        assert embeddings.requires_grad
        return sum(sizes.values())

    without = kept()
    student.encoder.checkpointing = True
    assert kept() < 0.5 * without


def test_configuration_switches_checkpointing_on() -> None:
    config = FoundationConfig(architecture="vit_tiny", random_weights=True, image_size=96)
    assert not build_foundation(config, 1, 2).encoder.checkpointing
    config = FoundationConfig(
        architecture="vit_tiny", random_weights=True, image_size=96, gradient_checkpointing=True
    )
    assert build_foundation(config, 1, 2).encoder.checkpointing


def test_held_frozen_weights_of_a_training_stay_held_wherever_they_go() -> None:
    encoder = _student().encoder
    encoder.hold_in(torch.bfloat16)
    assert encoder.to("meta").vit.blocks[0].attn.qkv.weight.dtype == torch.bfloat16
