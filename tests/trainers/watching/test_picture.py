"""The picture itself: what is drawn where, for any number of classes, and how it is written."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from samples import make_batch

from nnunetv2_semiseg.evaluation.measuring.classes import LabelClass
from nnunetv2_semiseg.methods.step import Panel
from nnunetv2_semiseg.trainers.watching.picture import (
    DARKENED,
    MOST_ENTRIES,
    class_color,
    draw_rows,
    legend_classes,
    save_figure,
)
from nnunetv2_semiseg.trainers.watching.rows import Row, make_rows

SIZE = 16


def classes_named(count: int) -> list[LabelClass]:
    return [LabelClass(f"organ {label}", (label,)) for label in range(1, count + 1)]


def rows_of(panels: dict[str, Panel], channels: int = 1, cases: tuple[str, ...] = ("a", "b")) -> list[Row]:
    images = torch.full((len(cases), channels, SIZE, SIZE), 1.0)
    images[..., 0] = 0
    return make_rows(make_batch(images, cases), panels, in_color=channels == 3)


def stripes(count: int) -> torch.Tensor:
    """Class maps with the labels 0 to ``count``, ``2 x S``."""
    return (torch.arange(SIZE * SIZE) % (count + 1)).reshape(1, SIZE, SIZE).repeat(2, 1, 1)


def texts(figure: Figure) -> set[str]:
    found = {
        text.get_text() for axis in figure.axes for text in (axis.title, axis.xaxis.label, axis.yaxis.label)
    }
    inside = {text.get_text() for axis in figure.axes for text in axis.texts}
    entries = {text.get_text() for legend in figure.legends for text in legend.get_texts()}
    return found | inside | entries | {figure.get_suptitle()}


def drawn(figure: Figure, column: int) -> Any:
    """What the first row shows in a column, ``H x W x 3`` or ``H x W``."""
    return figure.axes[column].images[0].get_array()


def test_rows_and_columns_have_names_and_the_legend_all_classes() -> None:
    panels = {
        "pseudo-label": Panel(torch.ones(2, 1, SIZE, SIZE), stripes(1)),
        "none": Panel(note="no mixing"),
    }
    figure = draw_rows(rows_of(panels), classes_named(2), "a title")
    assert texts(figure) >= {
        *("a title", "weak view", "strong view", "pseudo-label", "none", "no mixing"),
        *("a", "b", "organ 1", "organ 2"),
    }
    assert len(figure.axes) == 2 * 4


def test_classes_are_painted_and_darkened_where_they_are_not_trusted() -> None:
    trusted = torch.zeros(2, SIZE, SIZE, dtype=torch.bool)
    trusted[:, : SIZE // 2] = True
    image, classes = torch.ones(2, 1, SIZE, SIZE), torch.full((2, SIZE, SIZE), 2)
    panels = {"pseudo-label": Panel(image, classes), "mixed image": Panel(image, classes, trusted)}
    figure = draw_rows(rows_of(panels), classes_named(2), "")
    painted, mixed = drawn(figure, 2), drawn(figure, 3)
    expected = 0.5 + 0.5 * np.array(class_color(2))
    assert np.allclose(painted, expected, atol=1e-3)
    assert np.allclose(mixed[: SIZE // 2], expected, atol=1e-3)
    assert np.allclose(mixed[SIZE // 2 :], DARKENED, atol=1e-3), "no color where nothing is learned"
    assert any(text.startswith("dark") for text in texts(figure))


def test_a_mask_alone_is_black_and_white() -> None:
    trusted = torch.zeros(2, SIZE, SIZE, dtype=torch.bool)
    trusted[:, :4] = True
    figure = draw_rows(rows_of({"confidence mask": Panel(trust=trusted)}), classes_named(1), "")
    assert (drawn(figure, 2) == trusted[0].numpy()).all()
    assert "25% of the patch" in texts(figure)
    assert not any(text.startswith("dark") for text in texts(figure))


def test_colors_stay_colors() -> None:
    rows = rows_of({}, channels=3)
    image = rows[0].cells["weak view"].image
    assert image is not None
    image[..., 0] = 1
    image[..., 1:] = 0
    assert np.allclose(drawn(draw_rows(rows, classes_named(1), ""), 0), [1, 0, 0])


@pytest.mark.parametrize("count", [1, 7, 8, 30, 117])
def test_any_number_of_classes_has_colors_of_their_own(count: int) -> None:
    colors = {class_color(label) for label in range(1, count + 1)}
    assert len(colors) == count
    assert all(0 <= part <= 1 for color in colors for part in color)


def test_a_long_legend_has_what_is_seen() -> None:
    few, many = classes_named(MOST_ENTRIES), classes_named(117)
    assert legend_classes(few, [3]) == (few, 0)
    assert legend_classes(many, [0, 3, 99]) == ([many[2], many[98]], 0)
    named, left_out = legend_classes(many, range(60))
    assert named == many[:MOST_ENTRIES]
    assert left_out == 59 - MOST_ENTRIES
    panels = {"pseudo-label": Panel(torch.ones(2, 1, SIZE, SIZE), stripes(59))}
    assert f"and {left_out} more" in texts(draw_rows(rows_of(panels), many, ""))


def test_strange_names_are_drawn_as_they_are() -> None:
    rows = rows_of({}, cases=("$x_0", "a_very_long_name_of_a_case_that_has_no_place_beside_a_row"))
    figure = draw_rows(rows, [LabelClass("$\\alpha", (1,))], "", aspect=2.0)
    figure.savefig(io.BytesIO())  # where a formula would be parsed
    assert r"\$x_0" in texts(figure)


def test_a_picture_replaces_the_one_before_in_one_move(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "picture.png"
    figure = draw_rows(rows_of({}), classes_named(1), "")
    save_figure(figure, file)
    before = file.read_bytes()
    with Image.open(file) as image:
        assert image.format == "PNG"

    def full(self: Figure, target: Path, **_: Any) -> None:
        Path(target).write_bytes(b"half of it")
        raise OSError("No space left on device")

    monkeypatch.setattr(Figure, "savefig", full)
    with pytest.raises(OSError, match="No space"):
        save_figure(figure, file)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]
