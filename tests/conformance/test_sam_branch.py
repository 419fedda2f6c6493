"""The SAM branch of every method that has one: its prompts, what is configured, and its place in memory."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import pytest
import torch
from method_cases import CASES, METHODS, later_step
from segment_anything.modeling import ImageEncoderViT
from tiny_training import Case, Training, make_batch, may_take_sam
from torch import nn

from nnunetv2_semiseg.methods import fixmatch
from nnunetv2_semiseg.methods.base import Method
from nnunetv2_semiseg.methods.parts.skd import SAM, SkdMethod
from nnunetv2_semiseg.methods.step import Progress
from nnunetv2_semiseg.networks.outputs import full_resolution

DISTILLING = {key: method for key, method in METHODS.items() if issubclass(method, SkdMethod)}
Call = tuple[tuple[torch.Tensor, ...], Any]
"""What a network was given and what it said."""

with_branch = pytest.mark.parametrize("method_class", DISTILLING.values(), ids=DISTILLING)
FOUNDATION = [case for case in CASES if case.with_sam or case.method_class.key in ("knowsam", "synfoc")]


def start(method_class: type[Method], **values: Any) -> Training:
    """A training with a SAM branch, which has other settings where ``values`` name them."""
    started = Case(method_class, 2, may_take_sam(method_class)).make_training()
    if not values:
        return started
    config = started.method.config
    config = dataclasses.replace(config, skd=dataclasses.replace(config.skd, **values))
    method = method_class(config, started.setting, started.network)
    return Training(method, started.network, started.setting)


def record(module: nn.Module) -> list[Call]:
    """What a network is asked and says from now on."""
    calls: list[Call] = []
    module.register_forward_hook(lambda part, given, said: calls.append((given, said)))
    return calls


def asked_in_a_step(training: Training) -> list[tuple[torch.Tensor, ...]]:
    """Images and prompts of each call of the SAM branch."""
    calls = record(training.method.trained_networks()[SAM])
    training.losses(make_batch(2))
    return [given for given, _ in calls]


def test_the_baselines_and_knowsam_have_one() -> None:
    assert DISTILLING.keys() >= {"knowsam", "fixmatch", "mean_teacher", "uamt", "cps"}


@with_branch
def test_sam_sees_what_the_students_see_and_is_prompted_by_their_mean(method_class: type[Method]) -> None:
    training = start(method_class)
    with torch.no_grad():
        for teacher in training.method.teachers().values():
            for parameter in teacher.parameters():
                parameter.normal_()  # a teacher that says something else than its student
    others = [network for name, network in training.method.trained_networks().items() if name != SAM]
    students = [record(network) for network in (training.network, *others)]
    labeled, unlabeled = asked_in_a_step(training)
    images, prompts = (torch.cat(parts) for parts in zip(labeled, unlabeled, strict=True))
    said = []
    for (((seen,), output),) in students:
        assert torch.equal(images, seen)
        said.append(full_resolution(output))  # of KnowSAM's outputs too, the first is the deployed one
    assert len(labeled[0]) == len(make_batch(2).labeled_images) < len(images)
    torch.testing.assert_close(prompts, torch.stack(said).mean(0))
    assert not prompts.requires_grad


def test_sam_sees_fixmatchs_images_as_they_are_mixed() -> None:
    batch = make_batch(2)
    _, (seen, _) = asked_in_a_step(start(METHODS["fixmatch"]))
    pasted = seen != batch.unlabeled_strong
    assert pasted.flatten(1).any(1).all(), "each has a box of a labeled image"
    assert torch.isin(seen[pasted], batch.labeled_images).all()


def test_a_box_of_a_labeled_image_is_inside_of_an_image_wherever_it_lies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """FixMatch pastes it into padding too; SAM teaches what it sees there."""
    batch, values = make_batch(2), []
    box = torch.zeros_like(batch.inside)
    box[:, :, 8:24, :20] = True
    monkeypatch.setattr(fixmatch, "draw_cutmix_boxes", lambda count, shape: box)
    for inside in (box, torch.zeros_like(box)):
        training = start(METHODS["fixmatch"])
        terms = training.losses(dataclasses.replace(batch, unlabeled_inside=inside)).terms
        values.append(terms["distillation"].value.item())
    assert values[0] == pytest.approx(values[1])


@with_branch
def test_weight_of_the_distillation(method_class: type[Method]) -> None:
    def weights(training: Training) -> dict[str, float]:
        terms = training.losses(make_batch(2)).terms
        return {name: term.weight for name, term in terms.items() if name.startswith("distillation")}

    share = 0.5 if method_class.key == "knowsam" else 1.0
    paper, changed = weights(start(method_class)), weights(start(method_class, weight=0.3))
    assert paper
    assert paper == dict.fromkeys(paper, share)
    assert changed == pytest.approx(dict.fromkeys(paper, 0.3 * share))


@with_branch
@pytest.mark.parametrize(("values", "rate"), [({}, 1e-4), ({"learning_rate": 0.02}, 0.02)])
def test_sams_optimizer_is_adam_of_constant_rate(
    method_class: type[Method], values: dict[str, float], rate: float
) -> None:
    (item,) = (item for item in start(method_class, **values).scheduled if item.name == SAM)
    assert type(item.optimizer) is torch.optim.Adam
    for step in (0, 5, 10):
        item.set_learning_rate(Progress(step, 10), deployed_rate=0.7)
        assert [group["lr"] for group in item.optimizer.param_groups] == [rate]
    assert item.optimizer.defaults["lr"] == rate
    assert item.optimizer.defaults["betas"] == (0.9, 0.999)
    assert item.optimizer.defaults["weight_decay"] == 0


@pytest.mark.parametrize("case", FOUNDATION, ids=str)
def test_the_frozen_encoder_stands_once_in_memory(case: Case) -> None:
    """Teachers and students share it."""
    training = later_step(case.make_training())
    training.take(make_batch(2))
    parts = [*training.method.modules(), *training.network.modules()]
    encoders = {id(part): part for part in parts if isinstance(part, ImageEncoderViT)}
    assert encoders
    tensors = [tensor for part in encoders.values() for tensor in part.state_dict().values()]
    stored = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
    first = next(iter(encoders.values()))
    assert sum(stored.values()) == sum(tensor.nbytes for tensor in first.state_dict().values())


@with_branch
def test_a_random_mask_decoder_that_stays_random_is_warned_of(method_class: type[Method]) -> None:
    key = method_class.key
    with pytest.warns(UserWarning, match=rf"set {key}\.skd\.foundation\.train_mask_decoder=true"):
        training = start(method_class)
    foundation = dataclasses.replace(training.method.config.skd.foundation, train_mask_decoder=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        with_trained_decoder = dataclasses.replace(
            training.method.config, skd=dataclasses.replace(training.method.config.skd, foundation=foundation)
        )
        method_class(with_trained_decoder, training.setting, training.network)
