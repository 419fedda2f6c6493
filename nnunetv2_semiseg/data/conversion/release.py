"""Conversion of a released data set of several domains into a raw dataset, which all converters share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from nnunetv2_semiseg.core.errors import UserError, UserFileError
from nnunetv2_semiseg.data.raw.case_selection import Selection, choose_labeled
from nnunetv2_semiseg.data.raw.writing import DatasetInfo, Part, RawCase, case_name, write_raw_dataset

Split: TypeAlias = Literal["train", "test"]


@dataclass(frozen=True)
class SourceCase:
    """One image of a released data set.

    Attributes:
        domain: Name of the domain.
        stem: Name of the case within its domain.
        split: Whether the case belongs to the training or to the test data.
        image: File of the image.
        masks: Files of the mask; none without annotation, several where each lesion has a file.
        group: Name of a group of cases, such as a patient, that are labeled together; empty where the case
            stands alone.
        index: Number of the slice that is this case; None where the case is a whole file.
    """

    domain: str
    stem: str
    split: Split
    image: Path
    masks: tuple[Path, ...]
    group: str = ""
    index: int | None = None


Save: TypeAlias = Callable[[SourceCase, int | None, Path, Path | None], None]
"""Function that writes one case, see `Layout.save`."""


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """What a user chooses with every converter.

    Attributes:
        source: Top folder of the data set.
        dataset_id: Id of the new dataset.
        size: Edge length in pixels to which whole images are resized; None keeps them.
        overwrite: Whether an existing dataset of the same id and name is replaced.
    """

    source: Path
    dataset_id: int
    size: int | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Refuse what can never be converted."""
        if self.size is not None and self.size < 1:
            raise UserError(f"size {self.size} must be a positive number of pixels")


@dataclass(frozen=True, kw_only=True)
class ConversionOptions(SourceOptions):
    """What a user chooses where labeled cases are picked out of a release.

    Attributes:
        labeled_domain: Domain whose cases keep their labels.
        num_labeled: Number of cases that keep their labels; of groups, where the release has groups.
        labeled_list: File that names these cases instead, one per line.
        selection: ``first`` by name or ``random``.
        seed: Seed of the random selection.
    """

    labeled_domain: str
    num_labeled: int | None = None
    labeled_list: Path | None = None
    selection: Selection = "first"
    seed: int = 0


class Layout(Protocol):
    """How a release lays out its files and how they become nnU-Net's."""

    @property
    def file_ending(self) -> str:
        """Ending of the files written, with the dot."""

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
        name: Name of the nnU-Net dataset, without its number.
        layouts: Layouts in which the data set is found; the first that accepts a folder reads it.
        channel_names: A name for each channel, see `DatasetInfo`.
        labels: Names of the labels 0, 1, ...
        reference: Paper or place of the data.
        license: Terms of the data.
        counted: Word, in the plural, for what the user counts when asking for labeled cases.
        name_in_list: Function that gives the case, or group of cases, that a line of a list names.
    """

    name: str
    layouts: tuple[Layout, ...]
    channel_names: tuple[str, ...]
    labels: tuple[str, ...]
    reference: str
    license: str
    counted: str = "images"
    name_in_list: Callable[[str], str] = str


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
        UserFileError: ``options.source`` does not exist or has none of the layouts.
        UserError: The domain is unknown, has fewer annotated cases than asked for, a test image has no mask,
            a file is not as it should be, or the dataset cannot be written.
    """
    layout = _find_layout(release, options.source)
    parts = assign_parts(layout.scan(options.source), options, release)
    info = DatasetInfo(
        channel_names=release.channel_names,
        labels=release.labels,
        file_ending=layout.file_ending,
        description=_describe(options, release.counted),
        reference=release.reference,
        license=release.license,
    )
    return write_parts(release.name, info, parts, layout.save, options, raw_folder)


def write_parts(
    name: str,
    info: DatasetInfo,
    parts: Mapping[SourceCase, Part],
    save: Save,
    options: SourceOptions,
    raw_folder: Path,
) -> Path:
    """Write cases of a release whose parts are known; see `write_raw_dataset` for name, info and errors."""
    cases = [
        RawCase(case_name(case.domain, case.stem), part, case.domain, partial(save, case, options.size))
        for case, part in parts.items()
    ]
    return write_raw_dataset(raw_folder, options.dataset_id, name, info, cases, options.overwrite)


def assign_parts(
    cases: Sequence[SourceCase], options: ConversionOptions, release: Release
) -> Mapping[SourceCase, Part]:
    """Decide for each case whether it is labeled, unlabeled or test data.

    An image without a mask is never chosen as labeled, nor is its group, so it may be in any domain's
    training data.

    Args:
        cases: Training and test cases.
        options: The user's choices.
        release: The data set.

    Raises:
        UserFileError: The list of labeled cases does not exist.
        UserError: The labeled domain is unknown, has too few annotated training cases or not those of the
            list, or a test image has no mask.
    """
    domains = sorted({case.domain for case in cases})
    if options.labeled_domain not in domains:
        raise UserError(
            f"domain '{options.labeled_domain}' is not in {options.source}; found: {', '.join(domains)}"
        )
    for case in cases:
        if case.split == "test" and not case.masks:
            raise UserError(f"{case.image}: a test image needs a mask; add it or remove the image")
    labeled = _choose_labeled(cases, options, release)
    return {
        case: "test" if case.split == "test" else "labeled" if case in labeled else "unlabeled"
        for case in cases
    }


def describe_size(options: SourceOptions) -> str:
    """The size of the images in words, for a description."""
    return "native size" if options.size is None else f"resized to {options.size}x{options.size}"


def _find_layout(release: Release, source: Path) -> Layout:
    if not source.is_dir():
        raise UserFileError(f"{source} is not a folder")
    for layout in release.layouts:
        if layout.accepts(source):
            return layout
    expected = " or ".join(layout.expected for layout in release.layouts)
    raise UserFileError(f"{source} is not laid out as {release.name}: expected {expected}")


def _choose_labeled(
    cases: Sequence[SourceCase], options: ConversionOptions, release: Release
) -> set[SourceCase]:
    train = [case for case in cases if case.domain == options.labeled_domain and case.split == "train"]
    groups: dict[str, list[SourceCase]] = defaultdict(list)
    for case in train:
        groups[case.group or case.stem].append(case)
    annotated = [name for name, group in groups.items() if all(case.masks for case in group)]
    without = [case.image for case in train if not case.masks]
    what = f"training {release.counted} with a mask in domain '{options.labeled_domain}'"
    if without:
        what += f" ({len(without)} without a mask, for example {without[0]}: add it or ask for fewer)"
    chosen = choose_labeled(
        annotated,
        options.num_labeled,
        options.labeled_list,
        options.selection,
        options.seed,
        what,
        release.name_in_list,
    )
    return {case for name in chosen for case in groups[name]}


def _describe(options: ConversionOptions, counted: str) -> str:
    if options.labeled_list is not None:
        labeled = f"labeled {counted} of domain {options.labeled_domain} as in {options.labeled_list.name}"
    else:
        chosen = f"random, seed {options.seed}" if options.selection == "random" else "first by name"
        labeled = f"{options.num_labeled} labeled {counted} of domain {options.labeled_domain} ({chosen})"
    return f"{labeled}; {describe_size(options)}"
