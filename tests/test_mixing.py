"""Drawing and pasting of CutMix boxes."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunetv2_semiseg.mixing import draw_cutmix_boxes, partners, paste

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


def test_partners_repeat_and_cut() -> None:
    labeled = torch.arange(3)[:, None]
    assert partners(labeled, 5).flatten().tolist() == [0, 1, 2, 0, 1]
    assert partners(labeled, 2).flatten().tolist() == [0, 1]
    assert partners(labeled, 3) is labeled
