"""Drawing of regions, CutMix boxes and uncertain cells, and pasting."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from golden_files import GOLDEN
from hypothesis import given, settings, strategies as st

from nnunetv2_semiseg.methods.parts.mixing import (
    draw_cubes,
    draw_cutmix_boxes,
    draw_pairs,
    partners,
    paste,
    uncertain_regions,
)

sizes = st.integers(8, 200)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**31), st.integers(1, 3), sizes, sizes)
def test_each_box_is_one_rectangle(seed: int, count: int, height: int, width: int) -> None:
    torch.manual_seed(seed)
    boxes = draw_cutmix_boxes(count, (height, width))
    assert boxes.shape == (count, 1, height, width)
    assert boxes.dtype == torch.bool
    for box in boxes[:, 0]:
        rows, columns = box.any(1), box.any(0)
        assert box.any()
        assert torch.equal(box, rows[:, None] & columns[None])
        for line in (rows, columns):  # no gaps
            assert int((line[1:] != line[:-1]).sum()) + int(line[0]) + int(line[-1]) == 2


def test_area_and_aspect_stay_in_their_ranges() -> None:
    torch.manual_seed(0)
    boxes = draw_cutmix_boxes(400, (100, 100))[:, 0].float()
    areas = boxes.mean((1, 2))
    assert areas.min() > 0.018
    assert areas.max() < 0.42
    assert 0.1 < areas.mean() < 0.3
    aspect = boxes.amax(2).sum(1) / boxes.amax(1).sum(1)
    assert aspect.min() > 0.28
    assert aspect.max() < 3.6
    assert (aspect < 0.8).any()
    assert (aspect > 1.25).any()


def test_boxes_reach_every_corner() -> None:
    torch.manual_seed(0)
    covered = draw_cutmix_boxes(2000, (16, 16)).any(0)[0]
    assert covered.all()


def test_drawing_is_reproducible_and_moves_on() -> None:
    torch.manual_seed(3)
    first, second = draw_cutmix_boxes(2, (32, 32)), draw_cutmix_boxes(2, (32, 32))
    torch.manual_seed(3)
    assert torch.equal(first, draw_cutmix_boxes(2, (32, 32)))
    assert not torch.equal(first, second)


def test_a_patch_of_one_row_gets_a_box() -> None:
    torch.manual_seed(0)
    assert draw_cutmix_boxes(20, (1, 64)).flatten(1).any(1).all()


def test_paste_takes_the_source_inside() -> None:
    source, target = torch.ones(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)
    region = torch.zeros(2, 1, 4, 4, dtype=torch.bool)
    region[:, :, 1:3] = True
    mixed = paste(source, target, region)
    assert torch.equal(mixed, region.expand_as(mixed).float())
    assert target.sum() == 0


def test_partners_repeat_and_choose() -> None:
    labeled = torch.arange(3)[:, None]
    assert partners(labeled, 5).flatten().tolist() == [0, 1, 2, 0, 1]
    assert partners(labeled, 2).flatten().tolist() == [0, 1]
    assert partners(labeled, 3) is labeled


@pytest.mark.parametrize("count", [2, 3, 4, 6])
def test_partners_leave_foreground_patches_in(count: int) -> None:
    """nnU-Net's loader centers the last third of a batch on foreground."""
    chosen = partners(torch.arange(12), count).tolist()
    assert len(set(chosen)) == count
    assert sum(sample >= 8 for sample in chosen) == pytest.approx(count / 3, abs=1)
    assert count < 3 or max(chosen) >= 8


@pytest.mark.parametrize("rule", ["most", "least"])
def test_golden_uncertain_regions(rule: str) -> None:
    with np.load(GOLDEN / "knowsam_uncertainty_mix.npz") as arrays:
        golden = {key: torch.from_numpy(np.asarray(arrays[key])) for key in arrays.files}
    regions = uncertain_regions(
        golden["in_fused_probabilities"], int(golden["in_grid"]), int(golden["in_top_k"]), rule == "most"
    )
    labeled, unlabeled = golden["in_images"].chunk(2)
    label, pseudo_label = golden["in_label_labeled"], golden["in_pseudo_label_unlabeled"]
    of_labeled, of_unlabeled = regions.chunk(2)
    mixed = {
        "labeled_image": paste(unlabeled, labeled, of_labeled),
        "labeled_label": paste(pseudo_label, label, of_labeled[:, 0]),
        "unlabeled_image": paste(labeled, unlabeled, of_unlabeled),
        "unlabeled_label": paste(label, pseudo_label, of_unlabeled[:, 0]),
    }
    for name, ours in mixed.items():
        theirs = golden[f"out_{rule}_uncertain_{name}"].to(ours.dtype)
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def certain_but_for(cells: list[int], size: tuple[int, int]) -> torch.Tensor:
    """Probabilities ``1 x 2 x H x W`` that are undecided in the given cells of a 4 x 4 grid."""
    rows = torch.arange(size[0]) * 4 // size[0]
    columns = torch.arange(size[1]) * 4 // size[1]
    undecided = torch.isin(rows[:, None] * 4 + columns, torch.tensor(cells))
    foreground = torch.where(undecided, 0.5, 0.99)
    return torch.stack([foreground, 1 - foreground])[None]


@pytest.mark.parametrize("size", [(32, 48), (30, 45), (17, 13), (4, 4)])
def test_the_undecided_cells_are_taken_at_any_size(size: tuple[int, int]) -> None:
    cells = [0, 3, 6, 9, 15]
    probabilities = certain_but_for(cells, size)
    region = uncertain_regions(probabilities)
    assert region.shape == (1, 1, *size)
    assert torch.equal(region[0, 0], probabilities[0, 0] == 0.5)
    others = uncertain_regions(probabilities, count=11, most=False)
    assert torch.equal(others, ~region)


def test_each_image_has_cells_of_its_own() -> None:
    probabilities = torch.cat([certain_but_for([cell], (16, 16)) for cell in (2, 7)])
    regions = uncertain_regions(probabilities, count=1)
    assert torch.equal(regions[:, 0], probabilities[:, 0] == 0.5)


@pytest.mark.parametrize("count", [0, 17])
def test_more_cells_than_there_are_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"4 x 4 cells has no {count} cells"):
        uncertain_regions(torch.full((1, 2, 8, 8), 0.5), count=count)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**31), st.lists(st.integers(3, 40), min_size=3, max_size=4))
def test_each_box_of_a_volume_is_one_cuboid(seed: int, shape: list[int]) -> None:
    torch.manual_seed(seed)
    boxes = draw_cutmix_boxes(2, tuple(shape))
    assert boxes.shape == (2, 1, *shape)
    for box in boxes[:, 0]:
        filled = torch.ones_like(box)
        for axis in range(len(shape)):
            line = box.movedim(axis, 0).flatten(1).any(1)
            assert line.any()
            assert int((line[1:] != line[:-1]).sum()) + int(line[0]) + int(line[-1]) == 2, "no gaps"
            filled &= line.reshape([-1 if other == axis else 1 for other in range(len(shape))])
        assert torch.equal(box, filled)


@pytest.mark.parametrize("shape", [(60, 60, 60), (20, 120, 90)])
def test_volumes_of_boxes_stay_in_their_range(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    boxes = draw_cutmix_boxes(200, shape)[:, 0]
    parts = boxes.float().mean((1, 2, 3))
    assert parts.min() > 0.015
    assert parts.max() < 0.45
    assert 0.1 < parts.mean() < 0.25
    edges = torch.stack([boxes.movedim(axis + 1, 1).flatten(2).any(2).sum(1) for axis in range(3)], 1)
    depth, height, width = (edges / torch.tensor(shape)).unbind(1)
    ratio = depth / (height * width).sqrt()
    assert ratio.min() > 0.2
    assert ratio.max() < 4
    assert (ratio < 0.8).any()
    assert (ratio > 1.25).any()
    in_plane = edges[:, 1] / edges[:, 2]
    assert in_plane.min() > 0.2
    assert in_plane.max() < 4.5


def test_boxes_reach_every_corner_of_a_volume() -> None:
    torch.manual_seed(0)
    assert draw_cutmix_boxes(1500, (6, 8, 8)).any(0).all()


def test_boxes_of_images_are_drawn_as_ever() -> None:
    """The stream and what is made of it: seeded trainings must not change."""
    torch.manual_seed(0)
    boxes = draw_cutmix_boxes(2, (48, 64))[:, 0]
    edges = [[int(box.any(1).sum()), int(box.any(0).sum())] for box in boxes]
    starts = [[int(line.int().argmax()) for line in (box.any(1), box.any(0))] for box in boxes]
    assert edges == [[41, 16], [31, 14]]
    assert starts == [[5, 23], [7, 10]]


def edges_of(box: torch.Tensor) -> list[int]:
    """Edges of the box in a mask of spatial shape alone, which must have no gaps."""
    edges = [int(box.movedim(axis, 0).flatten(1).any(1).sum()) for axis in range(box.ndim)]
    assert int(box.sum()) == math.prod(edges)
    return edges


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**31), st.lists(st.integers(2, 40), min_size=2, max_size=3))
def test_a_cube_has_the_patchs_proportions(seed: int, shape: list[int]) -> None:
    torch.manual_seed(seed)
    cubes = draw_cubes(3, tuple(shape), 2 / 3)
    assert cubes.shape == (3, 1, *shape)
    assert cubes.dtype == torch.bool
    assert all(edges_of(cube[0]) == [round(2 / 3 * extent) for extent in shape] for cube in cubes)
    for cube in draw_cubes(3, tuple(shape), (0.3, 0.6)):
        for edge, extent in zip(edges_of(cube[0]), shape, strict=True):
            assert round(0.3 * extent) <= edge <= round(0.6 * extent)


def test_cubes_reach_every_corner_and_all_sizes() -> None:
    torch.manual_seed(0)
    cubes = draw_cubes(300, (20, 10), (0.3, 0.6))[:, 0]
    assert cubes.any(0).all()
    assert {edges_of(cube)[0] for cube in cubes} == set(range(6, 13))


def test_cubes_are_reproducible_and_differ() -> None:
    torch.manual_seed(3)
    first = draw_cubes(4, (32, 32), (0.3, 0.6))
    assert not torch.equal(first[0], first[1])
    torch.manual_seed(3)
    assert torch.equal(first, draw_cubes(4, (32, 32), (0.3, 0.6)))


def test_a_cube_of_the_whole_patch() -> None:
    assert draw_cubes(2, (5, 3, 4), 1.0).all()


def test_a_cube_without_voxels_is_refused() -> None:
    with pytest.raises(ValueError, match=r"cube of 0\.3 of the patch 1 x 40 x 40 has an edge without"):
        draw_cubes(1, (1, 40, 40), (0.3, 0.6))


@pytest.mark.parametrize("side", [0.0, 1.5, (0.6, 0.3)])
def test_impossible_sides_are_refused(side: float | tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="the side of a cube must be"):
        draw_cubes(1, (40, 40), side)


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(0, 2**31))
def test_pairs_hold_every_sample_once(count: int, seed: int) -> None:
    torch.manual_seed(seed)
    first, second = draw_pairs(count)
    assert len(first) == len(second) == (count + 1) // 2
    assert set(torch.cat([first, second]).tolist()) == set(range(count))
    # only an odd one is in two pairs, and with one sample alone it is its own partner
    assert len({*first.tolist()} & {*second.tolist()}) == count % 2
    torch.manual_seed(seed)
    assert torch.equal(first, draw_pairs(count)[0])


def test_pairs_are_in_random_order() -> None:
    torch.manual_seed(0)
    assert {draw_pairs(4)[0][0].item() for _ in range(40)} == {0, 1, 2, 3}
