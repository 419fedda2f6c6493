"""2D releases: png images with png masks, with one folder for each domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, get_args

import numpy as np

from nnunetv2_semiseg.core.errors import UserError, UserFileError
from nnunetv2_semiseg.data.conversion.image_files import (
    LabelArray,
    Mode,
    check_mask_size,
    read_image,
    write_resized,
    write_resized_mask,
)
from nnunetv2_semiseg.data.conversion.release import SourceCase, Split

Colour: TypeAlias = tuple[int, int, int]


def grey(value: int) -> Colour:
    """The colour of a grey mask value."""
    return (value, value, value)


@dataclass(frozen=True)
class PngLayout:
    """``DOMAIN/{train,test}/[inner/]{image,mask}/NAME.png``, mask and image of the same name.

    Attributes:
        mode: ``RGB`` (one png with three channels) or ``L`` (grey).
        codes: Label of each mask colour.
        inner: Folder between the split and ``image``; empty for none.
    """

    mode: Mode
    codes: Mapping[Colour, int]
    inner: str = ""
    file_ending: str = ".png"

    @property
    def expected(self) -> str:
        """The layout in words."""
        return str(Path("DOMAIN", "{train,test}", self.inner, "{image,mask}", "NAME.png"))

    def accepts(self, source: Path) -> bool:
        """Whether any domain folder has training images."""
        return bool(self._domains(source))

    def scan(self, source: Path) -> list[SourceCase]:
        """All cases, by domain, split and name.

        Raises:
            UserFileError: A domain has no images for training or test.
        """
        return [
            case
            for domain in self._domains(source)
            for split in get_args(Split)
            for case in self._scan_split(domain, split)
        ]

    def save(self, case: SourceCase, size: int | None, image: Path, label: Path | None) -> None:
        """Write image and label as png.

        Raises:
            UserError: A file cannot be read, a mask has a colour without a code or another size than its
                image.
        """
        picture = read_image(case.image, self.mode)
        if label is not None:
            write_resized_mask(self.read_label(case.masks, picture.size), size, label)
        write_resized(picture, size, image)

    def read_label(self, masks: Sequence[Path], size: tuple[int, int]) -> LabelArray:
        """The union of mask files as labels.

        Args:
            masks: Files, at least one.
            size: Width and height of the image.

        Returns:
            Labels, HxW; where masks overlap, the higher label.

        Raises:
            UserError: A mask has a colour without a code or another size.
        """
        labels = [decode_mask(path, self.codes) for path in masks]
        for path, label in zip(masks, labels, strict=True):
            check_mask_size(path, label, size)
        return np.maximum.reduce(labels)

    def _domains(self, source: Path) -> list[Path]:
        return sorted(path for path in source.iterdir() if (path / "train" / self.inner / "image").is_dir())

    def _scan_split(self, domain: Path, split: Split) -> list[SourceCase]:
        folder = domain / split / self.inner
        images = sorted((folder / "image").glob("[!.]*.png"))
        if not images:
            raise UserFileError(f"{folder / 'image'}: no png images; expected {self.expected}")
        masks = [folder / "mask" / path.name for path in images]
        # releases number train and test apart: the same name in both is not the same image
        return [
            SourceCase(domain.name, f"{split}_{image.stem}", split, image, (mask,) if mask.is_file() else ())
            for image, mask in zip(images, masks, strict=True)
        ]


def decode_mask(path: Path, codes: Mapping[Colour, int]) -> LabelArray:
    """Labels of a mask file.

    Args:
        path: A mask of any 8 bit mode; grey, black-and-white and RGBA ones are read as RGB.
        codes: Label of each colour.

    Returns:
        Labels, HxW.

    Raises:
        UserError: A pixel has a colour that is not in ``codes``.
    """
    pixels = np.asarray(read_image(path, "RGB"))
    labels = np.zeros(pixels.shape[:2], dtype=np.uint8)
    known = np.zeros(pixels.shape[:2], dtype=bool)
    for colour, label in codes.items():
        found = (pixels == np.array(colour, dtype=np.uint8)).all(axis=-1)
        labels[found] = label
        known |= found
    if not known.all():
        value = _readable(pixels[~known][0])
        valid = ", ".join(str(_readable(colour)) for colour in codes)
        raise UserError(f"{path}: mask value {value} is unknown; valid are {valid}")
    return labels


def _readable(colour: Any) -> int | Colour:
    red, green, blue = (int(value) for value in colour)
    return red if red == green == blue else (red, green, blue)
