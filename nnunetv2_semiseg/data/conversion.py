"""From a released multi-domain data set to a raw dataset: what all converters share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from nnunetv2_semiseg.data.raw import (
    DatasetInfo,
    Part,
    RawCase,
    Selection,
    case_name,
    select_cases,
    write_raw_dataset,
)

Split: TypeAlias = Literal["train", "test"]

TEST_FRACTION = 0.2
"""Share of each domain that becomes test data where the release has no split."""


@dataclass(frozen=True)
class SourceCase:
    """One image of a released data set.

    Attributes:
        domain: Name of its domain.
        stem: Its name within the domain.
        split: Whether it belongs to the training or to the test data.
        image: Its file.
        masks: Its mask files; none where it has no annotation, several where one lesion is one file.
    """

    domain: str
    stem: str
    split: Split
    image: Path
    masks: tuple[Path, ...]


@dataclass(frozen=True, kw_only=True)
class ConversionOptions:
    """What a user chooses.

    Attributes:
        source: The data set's top folder.
        labeled_domain: The domain whose cases keep their labels.
        num_labeled: How many of them do.
        selection: ``first`` by name or ``random``.
        seed: Of the random selection.
        size: Edge length in pixels to which whole images are resized; None keeps them.
        dataset_id: Of the new dataset.
        overwrite: Whether an existing dataset of the same id and name is replaced.
    """

    source: Path
    labeled_domain: str
    num_labeled: int
    dataset_id: int
    selection: Selection = "first"
    seed: int = 0
    size: int | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Refuse what can never be converted."""
        if self.size is not None and self.size < 1:
            raise ValueError(f"size {self.size} must be a positive number of pixels")


class Layout(Protocol):
    """How a release lays out its files and how they become nnU-Net's."""

    @property
    def file_ending(self) -> str:
        """Of the files written."""

    @property
    def expected(self) -> str:
        """The layout in words, for an error."""

    def accepts(self, source: Path) -> bool:
        """Whether ``source`` looks like this layout."""

    def scan(self, source: Path) -> list[SourceCase]:
        """All training and test cases."""

    def save(self, case: SourceCase, size: int | None, image: Path, label: Path | None) -> None:
        """Write one case, resized to ``size`` unless that is None; no label where its path is None."""


@dataclass(frozen=True, kw_only=True)
class Release:
    """A released data set.

    Attributes:
        name: Of the nnU-Net dataset.
        layouts: The layouts in which it is found; the first that accepts a folder reads it.
        channel_names: See `DatasetInfo`.
        labels: See `DatasetInfo`.
        reference: See `DatasetInfo`.
        license: See `DatasetInfo`.
    """

    name: str
    layouts: tuple[Layout, ...]
    channel_names: tuple[str, ...]
    labels: tuple[str, ...]
    reference: str
    license: str


def convert_release(release: Release, options: ConversionOptions, raw_folder: Path) -> Path:
    """Write a release as a raw dataset.

    The chosen cases of the labeled domain go to imagesTr and labelsTr, all other training images of all
    domains to imagesUn, the test images of all domains to imagesTs and labelsTs.

    Args:
        release: The data set.
        options: The user's choices.
        raw_folder: The folder of raw datasets.

    Returns:
        The new dataset's folder.

    Raises:
        FileNotFoundError: ``options.source`` does not exist or has none of the layouts.
        ValueError: The domain is unknown, has fewer annotated cases than asked for, a test image has no mask,
            a file is not as it should be, or the dataset cannot be written.
    """
    layout = _find_layout(release, options.source)
    cases = layout.scan(options.source)
    parts = assign_parts(cases, options)
    raw_cases = [
        RawCase(
            case_name(case.domain, case.stem),
            parts[case],
            case.domain,
            partial(layout.save, case, options.size),
        )
        for case in cases
    ]
    info = DatasetInfo(
        channel_names=release.channel_names,
        labels=release.labels,
        file_ending=layout.file_ending,
        description=_describe(options),
        reference=release.reference,
        license=release.license,
    )
    return write_raw_dataset(raw_folder, options.dataset_id, release.name, info, raw_cases, options.overwrite)


def assign_parts(cases: Sequence[SourceCase], options: ConversionOptions) -> Mapping[SourceCase, Part]:
    """Decide for each case whether it is labeled, unlabeled or test data.

    An image without a mask is never chosen as labeled, so it may be in any domain's training data.

    Raises:
        ValueError: The labeled domain is unknown, has too few annotated training cases, or a test image has
            no mask.
    """
    domains = sorted({case.domain for case in cases})
    if options.labeled_domain not in domains:
        raise ValueError(
            f"domain '{options.labeled_domain}' is not in {options.source}; found: {', '.join(domains)}"
        )
    for case in cases:
        if case.split == "test" and not case.masks:
            raise ValueError(f"{case.image}: a test image needs a mask; add it or remove the image")
    labeled = _choose_labeled(cases, options)
    return {
        case: "test" if case.split == "test" else "labeled" if case in labeled else "unlabeled"
        for case in cases
    }


def last_fifth(stems: Sequence[str]) -> frozenset[str]:
    """The test cases of a domain without a split: the last 20 % by name, at least one of two."""
    count = max(int(len(stems) * TEST_FRACTION), min(len(stems) - 1, 1))
    return frozenset(sorted(stems)[len(stems) - count :])


def _find_layout(release: Release, source: Path) -> Layout:
    if not source.is_dir():
        raise FileNotFoundError(f"{source} is not a folder")
    for layout in release.layouts:
        if layout.accepts(source):
            return layout
    expected = " or ".join(layout.expected for layout in release.layouts)
    raise FileNotFoundError(f"{source} is not laid out as {release.name}: expected {expected}")


def _choose_labeled(cases: Sequence[SourceCase], options: ConversionOptions) -> set[SourceCase]:
    train = [case for case in cases if case.domain == options.labeled_domain and case.split == "train"]
    by_stem = {case.stem: case for case in train if case.masks}
    without = [case.image for case in train if not case.masks]
    what = f"training images with a mask in domain '{options.labeled_domain}'"
    if without:
        what += f" ({len(without)} without a mask, for example {without[0]}: add it or ask for fewer)"
    chosen = select_cases(list(by_stem), options.num_labeled, options.selection, options.seed, what)
    return {by_stem[stem] for stem in chosen}


def _describe(options: ConversionOptions) -> str:
    size = "native size" if options.size is None else f"resized to {options.size}x{options.size}"
    chosen = f"random, seed {options.seed}" if options.selection == "random" else "first by name"
    return f"{options.num_labeled} labeled cases of domain {options.labeled_domain} ({chosen}); {size}"
