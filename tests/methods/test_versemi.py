"""VerSemi: both stages, the mixing of labeled images by hand, padding, and what is configured."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from tiny_versemi import SIZE, SYNTHETIC, TASKS, make_batch, make_method, run
from torch import nn

from nnunetv2_semiseg.methods import versemi
from nnunetv2_semiseg.methods.base import Setting
from nnunetv2_semiseg.methods.losses.task_losses import foreground_dice_loss
from nnunetv2_semiseg.methods.versemi import VerSemi, VerSemiConfig

LEFT = torch.zeros(1, SIZE, SIZE, dtype=torch.bool)
LEFT[..., :2] = True


@pytest.fixture
def left_cube(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Cubes are the left third of each patch, pairs are in order; gives the sides that were asked for."""
    sides: list[Any] = []

    def in_order(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        order, pairs = torch.arange(count), (count + 1) // 2
        return order[:pairs], order[-pairs:]

    def draw(count: int, shape: tuple[int, ...], side: Any) -> torch.Tensor:
        sides.append(side)
        return LEFT.expand(count, 1, *shape).clone()

    monkeypatch.setattr(versemi, "draw_cubes", draw)
    monkeypatch.setattr(versemi, "draw_pairs", in_order)
    return sides


@pytest.mark.parametrize(
    ("switch", "step", "unlabeled"),
    [(0.5, 4, False), (0.5, 5, True), (0.0, 0, True), (1.0, 9, False), (0.2, 2, True)],
)
def test_the_stage_depends_on_the_share_of_the_training(switch: float, step: int, unlabeled: bool) -> None:
    losses, _ = run(make_method(switch=switch), make_batch(), step)
    of_stage = {"consistency", "region"} if unlabeled else {"partner"}
    assert losses.terms.keys() == {"supervised", "synthetic"} | of_stage
    supervised = {name for name, term in losses.terms.items() if term.supervised}
    assert supervised == losses.terms.keys() - {"consistency", "region"}
    assert ("agreement" in losses.measures) == unlabeled


def test_cubes_of_both_stages(left_cube: list[Any]) -> None:
    method = make_method()
    run(method, make_batch(), 0)
    assert left_cube == [2 / 3]
    run(method, make_batch(), 5)
    assert left_cube[1:] == [(0.3, 0.6), (0.3, 0.6)]


def test_weights() -> None:
    weights = {
        "synthetic_weight": 2.0,
        "partner_weight": 3.0,
        "consistency_weight": 4.0,
        "region_weight": 5.0,
    }
    method = make_method(**weights)
    terms = {**run(method, make_batch(), 0)[0].terms, **run(method, make_batch(), 5)[0].terms}
    found = {f"{name}_weight": term.weight for name, term in terms.items() if name != "supervised"}
    assert found == weights
    assert terms["supervised"].weight == 1


def test_pairs_of_labeled_images_by_hand(left_cube: list[Any]) -> None:
    batch = make_batch((0, 2, 1, 2))
    mix = make_method()._mix_labeled(batch, 0.5)
    assert mix.tasks.tolist() == [[0, 1, SYNTHETIC], [2, 2, SYNTHETIC]]
    for pair, (first, second) in enumerate([(0, 2), (1, 3)]):
        assert torch.equal(mix.images[pair, ..., :2], batch.labeled_images[first, ..., :2])
        assert torch.equal(mix.images[pair, ..., 2:], batch.labeled_images[second, ..., 2:])
    structure = batch.labeled_targets[0][0, 0]
    # the cube shows structure 1 of the first image, the rest shows 2 and 3 of the second
    assert torch.equal(mix.targets[0, 0], structure == 1)
    assert torch.equal(mix.targets[0, 1], structure == 2)
    # of one task: the union, which is what lies around the cube
    assert torch.equal(mix.targets[1, 0], structure == 3)
    assert torch.equal(mix.targets[1, 1], structure == 3)
    assert torch.equal(mix.targets[0, 2], structure > 0)


def test_a_task_that_one_partner_is_annotated_for_is_background_in_the_other(left_cube: list[Any]) -> None:
    """Structure 1 lies in the cube, 2 and 3 around it; the two images are of different data sets."""
    batch = make_batch((0, 1))
    target = batch.labeled_targets[0]
    target[0][target[0] > 1] = 0
    target[1][target[1] == 1] = 0
    both = target[0, 0] + target[1, 0]
    mix = make_method()._mix_labeled(batch, 0.5)
    for index, label in enumerate((1, 2)):
        assert torch.equal(mix.targets[0, index], both == label)
    turned = dataclasses.replace(batch, task_ids=torch.tensor([0, 2]), labeled_targets=(target.flip(0),))
    # now each image contributes a part in which none of its own structures lies
    assert not make_method()._mix_labeled(turned, 0.5).targets.any()


@pytest.mark.parametrize("tasks", [(0, 1), (1, 0), (1, 1)])
def test_what_both_partners_are_annotated_for_is_foreground_wherever_it_lies(
    tasks: tuple[int, int], left_cube: list[Any]
) -> None:
    """Each image shows all structures: no head may learn that an annotated one is background."""
    batch = make_batch(tasks)
    structure = batch.labeled_targets[0][0, 0]
    mix = make_method()._mix_labeled(batch, 0.5)
    for index, task in enumerate(tasks):
        assert torch.equal(mix.targets[0, index], structure == task + 1)


def test_every_labeled_image_comes_to_lie_inside_of_a_cube() -> None:
    """nnU-Net puts the patches around a structure behind the others, and cubes hide what is in the middle."""
    batch, method, inside = make_batch((0, 1, 2, 0)), make_method(), set()
    images = torch.arange(4.0).reshape(4, 1, 1, 1).expand_as(batch.labeled_images)
    torch.manual_seed(0)
    for _ in range(30):
        mix = method._mix_labeled(dataclasses.replace(batch, labeled_images=images), 2 / 3)
        assert sorted(mix.images.unique().tolist()) == [0, 1, 2, 3]
        inside |= set(mix.images[..., SIZE // 2, SIZE // 2].flatten().tolist())
    assert inside == {0, 1, 2, 3}


@pytest.mark.parametrize(("count", "pairs"), [(1, [(0, 0)]), (2, [(0, 1)]), (3, [(0, 1), (1, 2)])])
def test_any_number_of_labeled_images_is_paired(
    count: int, pairs: list[tuple[int, int]], left_cube: list[Any]
) -> None:
    batch = make_batch((0, 1, 2)[:count])
    mix = make_method()._mix_labeled(batch, 0.5)
    assert mix.tasks[:, :2].tolist() == [list(pair) for pair in pairs]  # image i stands for task i
    for step in (0, 5):
        assert torch.isfinite(run(make_method(), batch, step)[0].total)


def test_terms_of_the_labeled_stage_by_hand(left_cube: list[Any]) -> None:
    method, batch = make_method(), make_batch()
    losses, network = run(method, batch, 0)
    mix = method._mix_labeled(batch, 0.5)
    foreground = network.said[0].softmax(2)[:, :, 1]
    assert torch.equal(network.asked[0][1], mix.tasks)
    dice = [foreground_dice_loss(foreground[:, index], mix.targets[:, index]) for index in range(3)]
    torch.testing.assert_close(losses.terms["partner"].value, (dice[0] + dice[1]) / 2)
    torch.testing.assert_close(losses.terms["synthetic"].value, dice[2])
    assert network.asked[1][1].tolist() == [0, 1, 2, 2]


@pytest.mark.parametrize("step", [0, 5], ids=["labeled stage", "unlabeled stage"])
def test_each_image_by_every_task_that_it_is_annotated_for(step: int) -> None:
    """As a batch in which each image stands once for each of its tasks."""
    batch = dataclasses.replace(
        make_batch((0, 1, 2)), annotated_tasks=torch.tensor([[0, 2], [1, -1], [0, 1]])
    )
    losses, network = run(make_method(supervised_tasks="all"), batch, step)
    rows, tasks = torch.tensor([0, 0, 1, 2, 2]), torch.tensor([0, 2, 1, 0, 1])
    repeated = dataclasses.replace(
        batch,
        labeled_images=batch.labeled_images[rows],
        labeled_targets=(batch.labeled_targets[0][rows],),
        task_ids=tasks,
    )
    expected = run(make_method(), repeated, step)[0].terms["supervised"].value
    torch.testing.assert_close(losses.terms["supervised"].value, expected)
    losses.terms["supervised"].value.backward()
    (logits,) = (said for said in network.said if said.shape[:2] == (3, 2))
    assert logits.grad is not None
    taught = logits.grad.abs().sum(dim=(2, 3, 4)) > 0
    assert taught.tolist() == [[True, True], [True, False], [True, True]]


def test_unlabeled_images_get_a_cube_of_labeled_ones_and_its_labels(left_cube: list[Any]) -> None:
    batch = make_batch()
    losses, network = run(make_method(), batch, 5)
    (images, tasks), logits = network.asked[-1], network.said[-1]
    assert tasks.tolist() == [[0, 1, 2, SYNTHETIC]] * 3
    assert torch.equal(images[..., :2], batch.labeled_images[:3, ..., :2])
    assert torch.equal(images[..., 2:], batch.unlabeled_strong[..., 2:])
    foreground = logits.softmax(2)[:, :, 1]
    labels = (batch.labeled_targets[0][:3, 0] > 0).float()
    expected = foreground_dice_loss(foreground[:, SYNTHETIC, :, :2], labels[..., :2])
    torch.testing.assert_close(losses.terms["region"].value, expected)
    of_tasks = foreground[:, :TASKS].amax(1)
    expected = foreground_dice_loss(foreground[:, SYNTHETIC], of_tasks)
    torch.testing.assert_close(losses.terms["consistency"].value, expected)


def test_the_consistency_teaches_the_synthetic_task_and_all_others() -> None:
    losses, network = run(make_method(), make_batch(), 5)
    losses.terms["consistency"].value.backward()
    gradient = network.said[-1].grad
    assert gradient is not None
    reached = gradient.abs().sum(dim=(0, 2, 3, 4)) > 0
    # each pixel's most probable task, which in this network the middle one never is
    assert reached.tolist() == [True, False, True, True]


def test_nothing_is_learned_outside_of_unlabeled_images(left_cube: list[Any]) -> None:
    batch = make_batch()
    inside = torch.zeros_like(batch.inside)
    inside[..., :2, :] = True
    losses, network = run(make_method(), dataclasses.replace(batch, unlabeled_inside=inside), 5)
    (losses.terms["consistency"].value + losses.terms["region"].value).backward()
    gradient = network.said[-1].grad
    assert gradient is not None
    counts = inside | LEFT
    assert not gradient[~counts[:, None].expand_as(gradient)].any()
    assert gradient[counts[:, None].expand_as(gradient)].any()


def test_the_agreement_counts_inside_alone(left_cube: list[Any]) -> None:
    batch = make_batch()
    nowhere = torch.zeros_like(batch.inside)
    inside, outside = (
        run(make_method(), dataclasses.replace(batch, unlabeled_inside=mask), 5)[0].measures["agreement"]
        for mask in (~nowhere, nowhere)
    )
    assert inside != outside


def test_a_batch_without_tasks_is_refused() -> None:
    with pytest.raises(ValueError, match="task_ids"):
        run(make_method(), dataclasses.replace(make_batch(), task_ids=None), 0)
    with pytest.raises(ValueError, match="annotated_tasks"):
        run(make_method(supervised_tasks="all"), make_batch(), 0)


def test_a_patch_without_room_for_a_cube_is_refused() -> None:
    setting = Setting(num_classes=2, in_channels=1, patch_size=(32, 1), new_network=nn.Identity)
    message = r"set the lower number of versemi\.cube_range above 0\.5, or plan a larger patch"
    with pytest.raises(ValueError, match=message):
        VerSemi(VerSemiConfig(), setting, nn.Identity())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cube_range": [0.6, 0.3]}, "the lower one first"),
        ({"cube_range": [0.0, 0.3]}, "above 0"),
        ({"switch": 1.5}, "switch"),
        ({"skd": {}}, "valid keys are switch"),
    ],
)
def test_impossible_settings(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_method(**values)


def test_optimizers() -> None:
    weights = [nn.Parameter(torch.zeros(2))]
    optimizer = VerSemi.deployed_optimizer(VerSemiConfig(), weights)
    assert isinstance(optimizer, torch.optim.Adam)
    assert optimizer.defaults["lr"] == 1e-3
    assert optimizer.defaults["betas"] == (0.5, 0.999)
    assert VerSemi.deployed_optimizer(VerSemiConfig(network_optimizer="nnunet"), weights) is None
