"""Generated images of several domains: synthetic, for demonstrations and tests.

An image shows a body with two labeled organs, a large one with a notch and a small round one, among unlabeled
distractors that have similar intensities. Shapes vary from case to case by random position, size and a smooth
random deformation. Domains share the anatomy and differ in contrast, texture, noise, blur and bias field, as
scanners do: B is a noisy, uneven A, in C the organs' intensities change places, in D everything is inverted.
A network trained on A alone does worse on B and C and fails on D.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from PIL import Image
from scipy.ndimage import gaussian_filter

from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.data.conversion.image_files import LabelArray
from nnunetv2_semiseg.data.raw.writing import DatasetInfo, Part, RawCase, case_name, write_raw_dataset

FloatArray = npt.NDArray[np.float32]

LABELS = ("background", "large organ", "small organ")
SPACING = (2.0, 1.0, 1.0)
"""Millimetres of a 3D phantom along z, y, x."""

NUM_DISTRACTORS = 5
MAX_INTENSITY = 1000
"""Largest of the whole numbers that volumes are stored as."""


@dataclass(frozen=True)
class Contrast:
    """How a domain looks; intensities from 0 to 1, lengths as shares of the image's width.

    Attributes:
        body: Mean intensity of the body.
        large: Mean intensity of the large organ.
        small: Mean intensity of the small organ.
        distractors: Range of the distractors' intensities.
        texture: Amplitude of the smooth variation within tissues.
        noise: Standard deviation of the noise.
        blur: Standard deviation of the blur.
        bias: Amplitude of the logarithm of the smooth factor on all intensities.
    """

    body: float
    large: float
    small: float
    distractors: tuple[float, float]
    texture: float
    noise: float
    blur: float
    bias: float


DOMAINS: dict[str, Contrast] = {
    "A": Contrast(0.30, 0.50, 0.75, (0.40, 0.90), texture=0.03, noise=0.03, blur=0.004, bias=0.1),
    "B": Contrast(0.45, 0.62, 0.78, (0.50, 0.95), texture=0.05, noise=0.08, blur=0.012, bias=0.5),
    "C": Contrast(0.35, 0.75, 0.55, (0.15, 0.90), texture=0.04, noise=0.05, blur=0.006, bias=0.3),
    "D": Contrast(0.70, 0.45, 0.25, (0.10, 0.60), texture=0.06, noise=0.06, blur=0.008, bias=0.4),
}
"""Domains by name; a dataset has the first ones."""


@dataclass(frozen=True, kw_only=True)
class PhantomOptions:
    """Extent of a generated dataset.

    Attributes:
        domains: Number of domains, 1 to 4.
        train: Training images of each domain.
        test: Test images of each domain.
        labeled: Labeled images, the first of the labeled domain's training images.
        labeled_domain: ``A``, ``B``, ...
        dimension: 2 for png images, 3 for .nii.gz volumes.
        size: Width of an image in pixels; volumes have half as many slices.
        seed: Seed of everything random.
    """

    domains: int = 3
    train: int = 80
    test: int = 20
    labeled: int = 10
    labeled_domain: str = "A"
    dimension: int = 2
    size: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be generated."""
        if not 1 <= self.domains <= len(DOMAINS):
            raise UserError(f"{self.domains} domains are not possible; choose 1 to {len(DOMAINS)}")
        if self.dimension not in (2, 3):
            raise UserError(f"dimension {self.dimension} is not possible; choose 2 or 3")
        if self.size < 16:
            raise UserError(f"size {self.size} is too small to show the organs; choose at least 16")
        if self.labeled_domain not in self.domain_names:
            raise UserError(
                f"domain '{self.labeled_domain}' is not generated; choose {' or '.join(self.domain_names)}"
            )
        if not 1 <= self.labeled <= self.train or self.test < 0:
            raise UserError(
                f"{self.labeled} labeled of {self.train} training images and {self.test} test images are not "
                "possible; at least one image must be labeled and no number may be negative"
            )

    @property
    def domain_names(self) -> list[str]:
        """The domains generated."""
        return list(DOMAINS)[: self.domains]


def generate(
    domain: str, index: int, *, size: int = 128, dimension: int = 2, seed: int = 0
) -> tuple[FloatArray, LabelArray]:
    """One phantom; the same arguments give the same arrays.

    Args:
        domain: A key of `DOMAINS`.
        index: Number of the case within its domain.
        size: Width in pixels.
        dimension: 2 or 3.
        seed: Seed of the dataset.

    Returns:
        Image with values from 0 to 1 and labels 0, 1, 2; both HxW, or DxHxW with D = size / 2.
    """
    rng = np.random.default_rng([seed, list(DOMAINS).index(domain), index])
    shape = (size,) * 2 if dimension == 2 else (size // 2, size, size)
    body, large, small, distractors = _draw_anatomy(shape, rng)
    contrast = DOMAINS[domain]
    image = np.zeros(shape, dtype=np.float32)
    for mask, mean in ((body, contrast.body), (large, contrast.large), (small, contrast.small)):
        image[mask] = mean + rng.uniform(-0.03, 0.03)
    for mask in distractors:
        image[mask] = rng.uniform(*contrast.distractors)
    label = np.zeros(shape, dtype=np.uint8)
    label[large] = 1
    label[small] = 2
    return _acquire(image, contrast, rng), label


def write_phantom_dataset(
    raw_folder: Path, dataset_id: int, name: str, options: PhantomOptions, overwrite: bool = False
) -> Path:
    """Generate a raw dataset.

    Args:
        raw_folder: The folder of raw datasets.
        dataset_id: 1 to 999.
        name: Rest of the dataset's name, behind ``DatasetNNN_``.
        options: Extent of the dataset.
        overwrite: Whether an existing dataset of this id and name is replaced.

    Returns:
        The dataset's folder.

    Raises:
        UserError: The dataset exists and ``overwrite`` is false, or its id is taken by another one.
    """
    cases = [
        RawCase(case_name(domain, f"{index:04d}"), part, domain, partial(_save, domain, index, options))
        for domain in options.domain_names
        for index, part in enumerate(_parts(domain, options))
    ]
    info = DatasetInfo(
        channel_names=("phantom",),
        labels=LABELS,
        file_ending=".png" if options.dimension == 2 else ".nii.gz",
        description=f"SYNTHETIC images generated by nnunetv2_semiseg, not of patients; seed {options.seed}",
        reference="nnunetv2_semiseg, data/conversion/phantom.py",
        license="CC0",
    )
    return write_raw_dataset(raw_folder, dataset_id, name, info, cases, overwrite)


def _parts(domain: str, options: PhantomOptions) -> list[Part]:
    labeled = options.labeled if domain == options.labeled_domain else 0
    counts: dict[Part, int] = {
        "labeled": labeled,
        "unlabeled": options.train - labeled,
        "test": options.test,
    }
    return [part for part, count in counts.items() for _ in range(count)]


def _save(
    domain: str, index: int, options: PhantomOptions, image_path: Path, label_path: Path | None
) -> None:
    image, label = generate(domain, index, size=options.size, dimension=options.dimension, seed=options.seed)
    scale = 255 if options.dimension == 2 else MAX_INTENSITY
    _write(np.round(image * scale).astype(np.uint8 if options.dimension == 2 else np.int16), image_path)
    if label_path is not None:
        _write(label, label_path)


def _write(array: npt.NDArray[np.generic], path: Path) -> None:
    if array.ndim == 2:
        Image.fromarray(array).save(path)
        return
    volume = sitk.GetImageFromArray(array)
    volume.SetSpacing(SPACING[::-1])
    sitk.WriteImage(volume, str(path), useCompression=True)


def _draw_anatomy(
    shape: tuple[int, ...], rng: np.random.Generator
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], npt.NDArray[np.bool_], list[npt.NDArray[np.bool_]]]:
    """Masks of body, large organ, small organ and distractors, none overlapping but with the body."""
    grid = _deformed_grid(shape, rng)
    body = _ellipse(grid, (0.0, 0.0), (0.80, 0.88), rng)
    centre = rng.uniform(-0.08, 0.08, size=2)
    large = _ellipse(grid, (centre[0] - 0.05, centre[1] - 0.35), (0.45, 0.30), rng)
    large &= ~_ellipse(grid, (centre[0] + 0.12, centre[1] - 0.12), (0.20, 0.16), rng)
    small = _ellipse(grid, (centre[0] + 0.05, centre[1] + 0.38), (0.19, 0.19), rng) & body
    large &= body & ~small
    taken = large | small
    distractors = []
    for _ in range(NUM_DISTRACTORS):
        place = rng.uniform(-0.65, 0.65, size=2)
        radius = rng.uniform(0.06, 0.14)
        mask = _ellipse(grid, (place[0], place[1]), (radius, radius), rng) & body & ~taken
        distractors.append(mask)
    return body, large, small, distractors


def _deformed_grid(shape: tuple[int, ...], rng: np.random.Generator) -> list[FloatArray]:
    """Coordinates from -1 to 1 along each axis, smoothly displaced; each of ``shape``."""
    axes = np.meshgrid(*(np.linspace(-1, 1, extent, dtype=np.float32) for extent in shape), indexing="ij")
    return [axis + 0.1 * _smooth_noise(shape, 0.12, rng) for axis in axes]


def _ellipse(
    grid: list[FloatArray], centre: tuple[float, float], radii: tuple[float, float], rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """An ellipse, or an ellipsoid that is as deep as it is wide, of randomly varied size."""
    depth = [(grid[0], 0.0, 1.2 * radii[1])] if len(grid) == 3 else []
    axes = [*depth, (grid[-2], centre[0], radii[0]), (grid[-1], centre[1], radii[1])]
    squares = [((axis - middle) / (radius * rng.uniform(0.88, 1.12))) ** 2 for axis, middle, radius in axes]
    return np.asarray(sum(squares) < 1)


def _acquire(image: FloatArray, contrast: Contrast, rng: np.random.Generator) -> FloatArray:
    """What the domain's scanner makes of the tissues' mean intensities."""
    shape, width = image.shape, image.shape[-1]
    image = image + contrast.texture * _smooth_noise(shape, 0.02, rng) * (image > 0)
    image = gaussian_filter(image, contrast.blur * width)
    image = image * np.exp(contrast.bias * _smooth_noise(shape, 0.25, rng))
    image = image + contrast.noise * rng.standard_normal(shape, dtype=np.float32)
    return np.clip(image, 0, 1).astype(np.float32)


def _smooth_noise(shape: tuple[int, ...], scale: float, rng: np.random.Generator) -> FloatArray:
    """Smooth noise with values from -1 to 1; ``scale`` is its length as a share of each axis."""
    noise = gaussian_filter(
        rng.standard_normal(shape, dtype=np.float32), [scale * extent for extent in shape], mode="wrap"
    )
    return np.asarray(noise / np.abs(noise).max())
