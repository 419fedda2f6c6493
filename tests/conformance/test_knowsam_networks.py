"""KnowSAM's real networks, tiny: how often SAM looks, and that what is exported is what was trained."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from method_cases import assert_all_reached
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from tiny_training import (
    CLASSES,
    SAMPLES,
    SIZE,
    Case,
    Training,
    make_batch,
    may_take_sam,
    tiny_config,
    tiny_plans,
)
from torch import nn

from nnunetv2_semiseg.core.config import config_values
from nnunetv2_semiseg.methods.base import Method
from nnunetv2_semiseg.methods.knowsam import KnowSAM
from nnunetv2_semiseg.methods.registry import discovered_methods
from nnunetv2_semiseg.networks.fused import FusedNetwork
from nnunetv2_semiseg.networks.outputs import full_resolution, set_deep_supervision
from nnunetv2_semiseg.networks.sam.checkpoint import PART_NAMES
from nnunetv2_semiseg.networks.sam.prompted import PromptedSam
from nnunetv2_semiseg.trainers.made import all_trainers


def with_sam(method_class: type[Method]) -> Training:
    return Case(method_class, 2, with_sam=may_take_sam(method_class)).make_training()


def branch(training: Training) -> PromptedSam:
    sam = training.method.sam
    assert isinstance(sam, PromptedSam)
    return sam


@pytest.mark.parametrize("step", [0, 8], ids=["before mixing", "with mixing"])
@pytest.mark.parametrize("key", ["knowsam", "fixmatch", "cps"])
def test_sam_sees_every_image_once_a_step(key: str, step: int) -> None:
    training = with_sam(discovered_methods()[key])
    training.steps_done = step
    seen: list[tuple[int, bool]] = []
    branch(training).encoder.register_forward_hook(
        lambda module, given, out: seen.append((len(given[0]), out.requires_grad))
    )
    training.take(make_batch(2))
    # unlabeled images teach SAM nothing: nothing is kept for a backward pass
    assert seen == [(SAMPLES, True), (SAMPLES, False)]


@pytest.mark.parametrize(("channels", "classes"), [(3, 2), (2, 4)], ids=["colour", "two channels"])
def test_a_step_of_colour_images_or_other_numbers_of_classes(channels: int, classes: int) -> None:
    training = Case(KnowSAM, 2, channels=channels, classes=classes).make_training()
    batch = make_batch(2, channels=channels, classes=classes)
    for training.steps_done in (0, 8):  # before the mixing and with it
        training.losses(batch).total.backward()
        assert_all_reached(training)
        training.take(batch)
    predicted = full_resolution(training.network.eval()(batch.unlabeled_weak))
    assert predicted.shape == (SAMPLES, classes, SIZE, SIZE)
    assert torch.isfinite(predicted).all()


def test_the_papers_optimizer_is_sgd_for_all_parts_of_the_deployed_network() -> None:
    network = with_sam(KnowSAM).network
    config = dataclasses.replace(tiny_config(KnowSAM.config_class), network_optimizer="paper")
    optimizer = KnowSAM.deployed_optimizer(config, network.parameters())
    assert type(optimizer) is torch.optim.SGD
    (group,) = optimizer.param_groups
    assert {key: group[key] for key in ("lr", "momentum", "weight_decay", "nesterov")} == {
        "lr": 0.01,
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "nesterov": False,
    }
    assert len(group["params"]) == len(list(network.parameters()))
    assert KnowSAM.deployed_optimizer(tiny_config(KnowSAM.config_class), network.parameters()) is None


@dataclasses.dataclass
class Trained:
    """A KnowSAM after a few steps, whose SAM came from a file that is gone by now."""

    training: Training
    exports: dict[str, dict[str, torch.Tensor]]
    config: Any

    def deployed(self, name: str) -> nn.Module:
        """What nnU-Net's predictor runs: built by the trainer class, filled by the export."""
        plans = PlansManager(tiny_plans(2, {KnowSAM.key: config_values(self.config)}))
        configuration = plans.get_configuration("tiny")
        builder = all_trainers()[name].build_network_architecture
        network: nn.Module = builder(plans, configuration, 1, CLASSES, False)
        network.load_state_dict(self.exports[name])
        return network.eval()


def write_checkpoint(sam: PromptedSam, file: Path) -> None:
    """SAM's weights under the names of the published files."""
    parts = zip(PART_NAMES, (sam.encoder.vit, sam.prompt_encoder, sam.mask_decoder), strict=True)
    torch.save({f"{name}.{key}": t for name, part in parts for key, t in part.state_dict().items()}, file)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    file = tmp_path_factory.mktemp("weights") / "sam.pth"
    started = with_sam(KnowSAM)
    with torch.no_grad():
        for parameter in branch(started).parameters():
            parameter += 0.01 * torch.randn_like(parameter)  # other weights than the random ones
    write_checkpoint(branch(started), file)
    config = tiny_config(KnowSAM.config_class)
    foundation = dataclasses.replace(config.skd.foundation, checkpoint=str(file), random_weights=False)
    config = dataclasses.replace(config, skd=dataclasses.replace(config.skd, foundation=foundation))
    method = KnowSAM(config, started.setting, started.network)
    training = Training(method, started.network, started.setting)
    training.steps_done = 8
    for seed in range(2):
        training.take(make_batch(2, seed))
    exports = {
        f"nnUNetTrainerKnowSAM{export.suffix}": export.state(method, training.network)
        for export in method.exports
    }
    file.unlink()
    training.network.eval()
    return Trained(training, exports, config)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(3, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_exported_networks_predict_what_the_trained_ones_do(trained: Trained, images: torch.Tensor) -> None:
    network = trained.training.network
    assert isinstance(network, FusedNetwork)
    fused = full_resolution(network(images))
    expected = {
        "nnUNetTrainerKnowSAMSubnetA": full_resolution(network.first(images)),
        "nnUNetTrainerKnowSAMSubnetB": full_resolution(network.second(images)),
        "nnUNetTrainerKnowSAMFoundation": branch(trained.training).predict(images, fused),
    }
    assert trained.exports.keys() == expected.keys()
    for name, logits in expected.items():
        torch.testing.assert_close(trained.deployed(name)(images), logits)
    different = [fused, *expected.values()]
    for index, logits in enumerate(different):
        assert not any(torch.allclose(logits, other, atol=1e-3) for other in different[:index])


@torch.no_grad()
def test_the_deployed_branch_is_prompted_by_logits_with_deep_supervision_too(
    trained: Trained, images: torch.Tensor
) -> None:
    deployed = trained.deployed("nnUNetTrainerKnowSAMFoundation")
    expected = deployed(images)
    set_deep_supervision(deployed, True)
    assert torch.equal(deployed(images), expected)


@torch.no_grad()
def test_mask_prompts_are_the_fused_output(trained: Trained, images: torch.Tensor) -> None:
    """Another fusion gives another mask, with all of SAM as it was."""
    deployed = trained.deployed("nnUNetTrainerKnowSAMFoundation")
    before = deployed(images)
    state = deployed.state_dict()
    last = [name for name in state if name.startswith("prompting.fusion.") and "running_mean" in name][-1]
    deployed.load_state_dict({**state, last: state[last] - 5})
    assert not torch.allclose(deployed(images), before, atol=1e-4)
