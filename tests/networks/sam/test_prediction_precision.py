"""The precision of an exported model's prediction on a CPU is chosen, and changes nothing else."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest
import torch
from segment_anything.modeling import MaskDecoder
from torch import nn

from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.networks.sam.config import FoundationConfig, PromptedFoundationConfig
from nnunetv2_semiseg.networks.sam.deployed import DeployedPromptedSam, DeployedSemanticSam
from nnunetv2_semiseg.networks.sam.model import prediction_precision
from nnunetv2_semiseg.networks.sam.model.encoder import call
from nnunetv2_semiseg.networks.sam.model.prediction_precision import VARIABLE

TINY = {"architecture": "vit_tiny", "random_weights": True, "image_size": 64}


def _semantic() -> nn.Module:
    return DeployedSemanticSam(FoundationConfig(**TINY), in_channels=1, num_classes=3)


def _prompted() -> nn.Module:
    return DeployedPromptedSam(PromptedFoundationConfig(**TINY), nn.Conv2d(1, 3, kernel_size=1), 1, 3)


BUILDERS = pytest.mark.parametrize("build", [_semantic, _prompted])
IMAGES = torch.rand(1, 1, 64, 64)


@pytest.fixture
def built_for(monkeypatch) -> Callable[..., nn.Module]:
    """Builds a network for prediction in a precision, with weights that a seed determines."""

    def built(precision: str, build: Callable[[], nn.Module] = _semantic, seed: int = 0) -> nn.Module:
        monkeypatch.setenv(VARIABLE, precision)
        torch.manual_seed(seed)
        network = build()
        for parameter in network.parameters():
            if parameter.requires_grad:
                nn.init.normal_(parameter, std=0.1)
        return network

    return built


@pytest.fixture
def cpu(monkeypatch) -> Callable[[bool], None]:
    """Pretends that this CPU has bfloat16 instructions, or that it has none."""

    def pretend(has_instructions: bool) -> None:
        monkeypatch.setattr(prediction_precision, "cpu_computes_bfloat16", lambda: has_instructions)

    return pretend


@pytest.fixture(autouse=True)
def _nothing_said_before() -> None:
    prediction_precision._say_once.cache_clear()


def _predicted(network: nn.Module, images: torch.Tensor = IMAGES) -> torch.Tensor:
    """As nnU-Net's predictor does it."""
    with torch.inference_mode():
        logits: torch.Tensor = network.to("cpu").eval()(images)
    return logits


@BUILDERS
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_state_is_bit_for_bit_what_was_loaded(built_for, build, precision) -> None:
    """Whatever ran before: prediction, training mode, evaluation mode."""
    loaded = {
        name: tensor.clone() for name, tensor in built_for(precision, build, seed=1).state_dict().items()
    }
    network = built_for(precision, build)
    network.load_state_dict(loaded)
    for use in (network.eval, lambda: _predicted(network), network.train, lambda: network(IMAGES)):
        use()
        state = network.state_dict()
        assert state.keys() == loaded.keys()
        for name, tensor in state.items():
            assert tensor.dtype == loaded[name].dtype
            assert torch.equal(tensor, loaded[name])


@BUILDERS
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_mode_decides_nothing(built_for, build, precision) -> None:
    network = built_for(precision, build)
    before, training = network(IMAGES), network.train()(IMAGES)
    assert torch.equal(before, network.eval()(IMAGES))
    # the SAM branch has nothing that trains and evaluates differently
    assert torch.equal(before, training)


@BUILDERS
def test_bfloat16_is_for_the_encoders_blocks_alone(built_for, build) -> None:
    network, computed = built_for("bfloat16", build), {}

    def note(name: str, module: nn.Module) -> None:
        module.register_forward_hook(lambda _, __, output: computed.update({name: output.dtype}))

    vit = network.sam.encoder.vit
    note("patches", vit.patch_embed)
    # nothing but an activation stands between the linear layers of a block
    note("block", vit.blocks[1].mlp.act)
    note("neck", vit.neck)
    note("masks", next(m for m in network.modules() if isinstance(m, MaskDecoder)).output_upscaling)
    assert _predicted(network).dtype == torch.float32
    assert computed.pop("block") == torch.bfloat16
    assert set(computed.values()) == {torch.float32}


@BUILDERS
def test_bfloat16_computes_what_autocast_would(built_for, build) -> None:
    """Bit for bit in the encoder, with weights that are rounded once instead of in every pass."""
    network, images = built_for("bfloat16", build), torch.rand(1, 3, 64, 64)
    encoder = network.sam.encoder
    with torch.no_grad():
        got = encoder(images)
        encoder.prediction_precision = None
        exact = encoder(images)
        with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
            expected = encoder(images)
    assert torch.equal(got, expected)
    assert not torch.equal(got, exact)


@BUILDERS
def test_every_fold_predicts_with_its_own_weights(built_for, build) -> None:
    network = built_for("bfloat16", build)
    for fold in (1, 2, 1):
        other = built_for("bfloat16", build, seed=fold)
        with torch.inference_mode():
            network.load_state_dict(other.state_dict())
        assert torch.equal(_predicted(network), _predicted(other))


def test_weights_that_change_in_place_are_rounded_anew(built_for) -> None:
    network = built_for("bfloat16")
    before = _predicted(network)
    with torch.no_grad():
        network.sam.encoder.vit.blocks[0].mlp.lin2.weight.mul_(2)
    assert not torch.equal(_predicted(network), before)


def test_copies_are_made_once_and_dropped_when_the_network_moves(built_for) -> None:
    network = built_for("bfloat16")
    copies = network.sam.encoder._rounded._copies
    _predicted(network)
    first = {id(copy) for _, copy in copies.values()}
    layers = [m for m in network.sam.encoder.vit.blocks.modules() if isinstance(m, nn.Linear)]
    assert len(first) == 2 * len(layers)
    _predicted(network)
    assert {id(copy) for _, copy in copies.values()} == first
    network.to("meta")
    assert not copies


def test_weights_that_were_cast_there_and_back_are_rounded_anew(built_for) -> None:
    network = built_for("bfloat16")
    _predicted(network)
    network.half().float()
    exact = built_for("bfloat16")
    exact.load_state_dict(network.state_dict())
    assert torch.equal(_predicted(network), _predicted(exact))


def test_gradients_pass_after_a_prediction(built_for) -> None:
    """Rounded copies that inference mode has made could not be kept for a backward pass."""
    network = built_for("bfloat16")
    _predicted(network)
    network(IMAGES).sum().backward()
    assert all(parameter.grad is not None for parameter in network.sam.parameters_to_train())


def test_an_encoder_that_is_made_to_train_gets_gradients(built_for) -> None:
    """In place of copies of weights, from which no gradient would come back."""
    network = built_for("bfloat16")
    weight = network.sam.encoder.vit.blocks[0].attn.qkv.weight.requires_grad_(True)
    network(IMAGES).sum().backward()
    assert weight.grad is not None


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))])
def test_a_copied_network_makes_copies_of_its_own(built_for, copied) -> None:
    network = built_for("bfloat16")
    expected = _predicted(network)
    other = copied(network)
    assert not other.sam.encoder._rounded._copies
    assert torch.equal(_predicted(other), expected)
    with torch.no_grad():
        other.sam.encoder.vit.blocks[0].mlp.lin2.weight.zero_()
    assert torch.equal(_predicted(network), expected)
    assert not torch.equal(_predicted(other), expected)


@pytest.mark.parametrize("has_instructions", [False, True])
@pytest.mark.parametrize("precision", ["auto", "float32", "bfloat16"])
def test_one_line_names_the_precision_and_how_to_change_it(
    built_for, cpu, capsys, has_instructions, precision
) -> None:
    cpu(has_instructions)
    network = built_for(precision)
    assert not capsys.readouterr().out
    got = _predicted(network)
    used = ("bfloat16" if has_instructions else "float32") if precision == "auto" else precision
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    assert f"predicts in {used}" in lines[0]
    assert VARIABLE in lines[0]
    # only where it depends on the CPU
    assert ("different results" in lines[0]) == (precision == "auto")
    _predicted(network)
    assert not capsys.readouterr().out
    assert torch.equal(got, _predicted(built_for(used)))


def test_a_compiled_network_says_it_too(built_for, capsys) -> None:
    network = built_for("bfloat16")
    torch._dynamo.reset()
    _predicted(torch.compile(network, backend="eager", fullgraph=True))
    assert "predicts in bfloat16" in capsys.readouterr().out


def test_another_device_computes_in_what_its_caller_says(built_for, capsys) -> None:
    dtype, linear = built_for("bfloat16").sam.encoder._blocks_precision("cuda")
    assert dtype is None
    assert linear is call
    assert not capsys.readouterr().out


def test_an_unknown_precision_is_refused(built_for) -> None:
    with pytest.raises(UserError, match=rf"{VARIABLE} is 'half': set it to one of auto, bfloat16, float32"):
        built_for("half")
