"""Raw datasets that are to be merged: what each of them must be like, and what they must have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunetv2.imageio.base_reader_writer import BaseReaderWriter
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO

from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.data.merging.relabeling import dataset_number
from nnunetv2_semiseg.data.merging.tasks import BACKGROUND, is_merged
from nnunetv2_semiseg.data.raw.reading import LabeledCase, read_dataset_json, reader_for, training_cases

READER = "overwrite_image_reader_writer"
"""The key of dataset.json by which a dataset names its reader."""

IGNORE = "ignore"
"""nnU-Net's name of the label of unannotated voxels."""

COMMON_ENDING = ".nii.gz"
"""What SimpleITK writes where the sources have different formats."""

CT = "ct"
"""The name, in lower case, by which nnU-Net knows a channel of computed tomography."""

PER_IMAGE = "zscore"
"""nnU-Net's name of the normalization that looks at one image alone."""


@dataclass(frozen=True)
class SourceDataset:
    """A raw dataset that is to be merged.

    Attributes:
        folder: Folder of the dataset, which has the dataset's name.
        dataset_json: Content of the dataset's dataset.json.
        structures: Labels by name, without the background.
        labeled: Labeled cases by name.
    """

    folder: Path
    dataset_json: Mapping[str, Any]
    structures: Mapping[str, int]
    labeled: Mapping[str, LabeledCase]

    @property
    def name(self) -> str:
        """``DatasetNNN_Name``."""
        return self.folder.name

    @property
    def ending(self) -> str:
        """Ending of all files, with the dot."""
        return str(self.dataset_json["file_ending"])

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels, in order."""
        names = self.dataset_json["channel_names"]
        return tuple(names[key] for key in sorted(names, key=int))

    def domain_of(self, case: str) -> str:
        """Where an image comes from; the dataset's name where the dataset doesn't say."""
        return str(self.dataset_json.get("domains", {}).get(case, self.name))


@dataclass(frozen=True)
class CommonFormat:
    """Format of the images and labels of the merged dataset.

    Attributes:
        channels: Names of the channels, by which nnU-Net chooses the normalization.
        ending: Ending of all files, with the dot.
        reader: nnU-Net's reader and writer for all of them.
        notes: Sentences on what was decided where the sources differ.
    """

    channels: tuple[str, ...]
    ending: str
    reader: BaseReaderWriter
    notes: tuple[str, ...]


def read_sources(folders: Sequence[Path]) -> list[SourceDataset]:
    """Read datasets that are to be merged.

    Args:
        folders: Raw datasets.

    Raises:
        UserFileError: A file of a labeled case does not exist.
        UserError: There are less than two, one is given twice or two have the same number, or one is itself
            merged, has no labeled cases, no structure, region labels or an ignore label.
    """
    if len(folders) < 2:
        raise UserError("merging takes at least two datasets; name them behind -d")
    numbers: dict[str, str] = {}
    for folder in folders:
        number = dataset_number(folder.name)
        if number in numbers:
            raise UserError(
                f"{folder.name} and {numbers[number]} have the same number; name each dataset once"
            )
        numbers[number] = folder.name
    return [_read_source(folder) for folder in folders]


def common_format(sources: Sequence[SourceDataset]) -> CommonFormat:
    """The format of the merged dataset.

    Raises:
        UserError: The sources have different numbers of channels, different readers, or file formats that
            cannot be converted.
    """
    channels, channel_note = _common_channels(sources)
    ending, ending_note = _common_ending(sources)
    first = sources[0]
    for source in sources[1:]:
        if source.dataset_json.get(READER) != first.dataset_json.get(READER):
            raise UserError(
                f"{source.name} and {first.name} have different readers; make '{READER}' the same in their "
                "dataset.json"
            )
    if ending_note is None:
        image = next(iter(first.labeled.values())).images[0]
        reader = reader_for(first.dataset_json, image)
    else:
        reader = SimpleITKIO()
    notes = tuple(note for note in (channel_note, ending_note) if note is not None)
    return CommonFormat(channels, ending, reader, notes)


def _read_source(folder: Path) -> SourceDataset:
    dataset_json = read_dataset_json(folder)
    if is_merged(dataset_json):
        raise UserError(f"{folder.name} is itself a merged dataset; name the datasets that it was made of")
    if not all(key.isdecimal() for key in dataset_json["channel_names"]):
        raise UserError(f"{folder.name}: the keys of 'channel_names' in dataset.json must be 0, 1, ...")
    structures = _structures(folder.name, dataset_json["labels"])
    return SourceDataset(folder, dataset_json, structures, training_cases(folder, dataset_json))


def _structures(name: str, labels: Mapping[str, Any]) -> dict[str, int]:
    for label, value in labels.items():
        if isinstance(value, (list, tuple)):
            raise UserError(
                f"{name} has region labels ('{label}'), which cannot be merged; make them integers"
            )
        if not isinstance(value, int) or (label == BACKGROUND) != (value == 0):
            raise UserError(
                f"{name}: label '{label}' has the value {value!r} in dataset.json; '{BACKGROUND}' must be "
                "0 and all others positive integers"
            )
    if IGNORE in labels:
        raise UserError(
            f"{name} has an ignore label, which cannot be merged; leave the dataset out or annotate it fully"
        )
    structures = {label: value for label, value in labels.items() if value > 0}
    if not structures or len(set(structures.values())) < len(structures):
        raise UserError(
            f"{name}: 'labels' in dataset.json must have a structure, each with a value of its own"
        )
    return structures


def _common_channels(sources: Sequence[SourceDataset]) -> tuple[tuple[str, ...], str | None]:
    """Names of the channels, and why they are not those of the sources."""
    first = sources[0]
    for source in sources[1:]:
        if len(source.channels) != len(first.channels):
            raise UserError(
                f"{source.name} has {len(source.channels)} channels and {first.name} has "
                f"{len(first.channels)}; one network needs the same number of channels"
            )
    names = tuple(
        variants[0] if len({name.casefold() for name in variants}) == 1 else PER_IMAGE
        for variants in zip(*(source.channels for source in sources), strict=True)
    )
    if all(_same_names(source.channels, names) for source in sources):
        return names, None
    found = "; ".join(f"{source.name}: {', '.join(source.channels)}" for source in sources)
    note = (
        f"Channels differ ({found}), so each image is normalized by its own mean and standard deviation "
        f"(channel name '{PER_IMAGE}')."
    )
    if any(name.casefold() == CT for source in sources for name in source.channels):
        note += (
            " nnU-Net's scheme for CT would clip and scale all images by the intensities of the whole "
            "dataset, which mean nothing across modalities."
        )
    return names, note


def _same_names(channels: Sequence[str], others: Sequence[str]) -> bool:
    """Whether nnU-Net normalizes both alike."""
    return [name.casefold() for name in channels] == [name.casefold() for name in others]


def _common_ending(sources: Sequence[SourceDataset]) -> tuple[str, str | None]:
    """The file ending, and why files are converted to it."""
    endings = sorted({source.ending for source in sources})
    if len(endings) == 1:
        return endings[0], None
    for source in sources:
        if source.ending not in SimpleITKIO.supported_file_endings:
            raise UserError(
                f"{source.name} has {source.ending} files, which can be merged only with the same; "
                f"the others have {', '.join(ending for ending in endings if ending != source.ending)}"
            )
    return COMMON_ENDING, (
        f"File endings differ ({', '.join(endings)}), so other files are converted to {COMMON_ENDING} with "
        "their spacing, origin and direction."
    )
