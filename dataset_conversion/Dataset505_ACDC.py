r"""Right ventricle, myocardium and left ventricle in cardiac cine MRI, labels chosen by patient.

Data: ACDC (Bernard et al., "Deep Learning Techniques for Automatic MRI Cardiac Multi-Structures Segmentation
and Diagnosis: Is the Problem Solved?", IEEE TMI 2018; https://humanheart-project.creatis.insa-lyon.fr), under
the terms stated there, which also hold for copies in other formats.

Expected below the input folder, one of
- the challenge's folders: training/patientNNN/ and testing/patientNNN/ with patientNNN_frameNN.nii.gz and
  patientNNN_frameNN_gt.nii.gz. The time series patientNNN_4d.nii.gz and Info.cfg are not read. Where
  patientNNN/ lie in the input folder itself, the last 20 % of the patients are test data;
- the HDF5 files of SSL4MIS (https://github.com/HiLab-git/SSL4MIS): volumes data/patientNNN_frameNN.h5 and
  slices data/slices/patientNNN_frameNN_slice_N.h5, or the folders ACDC_training_volumes and
  ACDC_training_slices, each file with "image" and "label". test.list, val.list and train_slices.list or
  train.list name the parts; a patient in none of them is left out where there is a list for training. Without
  any list, the last 20 % of the patients are test data.

Values of a mask and labels written: 1 right ventricle, 2 myocardium, 3 left ventricle. A labeled patient is
labeled in both time frames; all frames of the other training patients are unlabeled. Validation patients have
known labels, by which SSL4MIS chooses models; nnU-Net does this in its folds of the labeled images. So they
are left out, unless --val says otherwise, and never labeled.

--form volumes (default) writes 3D images, to be trained in the 2d configuration and evaluated as volumes;
--form slices writes a 2D image for each slice, of the test data too. Challenge files keep their spacing. The
HDF5 files have none: it is 1 mm in all directions, which says nothing of the patient, so use the 2d
configuration only, and no distances in mm.

Example, the setting with 7 labeled patients:
    python dataset_conversion/Dataset505_ACDC.py -i ACDC --num-labeled 7
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from nnunetv2_semiseg.commands.conversion import (
    add_selection_arguments,
    add_target_arguments,
    add_validation_argument,
    converter_parser,
    run_with_parser,
)
from nnunetv2_semiseg.core.errors import UserError, UserFileError
from nnunetv2_semiseg.data.conversion.release import (
    ConversionOptions,
    Release,
    SourceCase,
    Split,
    convert_release,
)
from nnunetv2_semiseg.data.conversion.splits import (
    FRAME,
    Role,
    ValidationUse,
    assign_validation,
    listed_roles,
    patient_of,
    unlisted_roles,
)
from nnunetv2_semiseg.data.conversion.volume_files import (
    ENDING,
    h5_shape,
    read_h5_image,
    read_h5_label,
    read_header,
    write_slice,
)
from nnunetv2_semiseg.data.conversion.volume_releases import (
    VolumeLayout,
    refuse_size,
    save_slice,
    slice_cases,
    slice_name,
)

Form: TypeAlias = Literal["volumes", "slices"]

DOMAIN = "ACDC"
CODES = {value: value for value in range(4)}
LISTS: dict[Role, tuple[str, ...]] = {
    "train": ("train_slices.list", "train.list"),
    "val": ("val.list",),
    "test": ("test.list",),
}
VOLUME_FOLDERS = ("data", "ACDC_training_volumes")
SLICE_FOLDERS = ("data/slices", "ACDC_training_slices")


@dataclass(frozen=True, kw_only=True)
class AcdcOptions(ConversionOptions):
    """What a user chooses; ``num_labeled`` counts patients.

    Attributes:
        form: Form of a case, a volume or a slice.
        validation: Use of the validation patients.
    """

    labeled_domain: str = DOMAIN
    form: Form = "volumes"
    validation: ValidationUse = "skip"


@dataclass(frozen=True)
class ChallengeLayout:
    """``{training,testing}/patientNNN/patientNNN_frameNN.nii.gz``, see the module's docstring."""

    form: Form
    validation: ValidationUse
    file_ending: str = ENDING

    @property
    def expected(self) -> str:
        """The layout in words."""
        return f"[training|testing/]patientNNN/patientNNN_frameNN{ENDING} with ..._gt{ENDING}"

    def accepts(self, source: Path) -> bool:
        """Whether there are folders of patients."""
        return bool(_patient_folders(source) or _patient_folders(source / "training"))

    def scan(self, source: Path) -> list[SourceCase]:
        """All frames of all patients, or their slices.

        Raises:
            UserFileError: There is no folder of test patients, or a patient has no frames.
            UserError: Validation cases are asked for, which this layout doesn't have.
        """
        if _patient_folders(source):
            folders = _patient_folders(source)
            roles = unlisted_roles([folder.name for folder in folders])
            parts: list[tuple[Split, Path]] = [
                ("test" if roles[folder.name] == "test" else "train", folder) for folder in folders
            ]
        else:
            if not _patient_folders(source / "testing"):
                raise UserFileError(
                    f"{source / 'testing'}: no patients; add them, or give {source / 'training'} as the "
                    "input folder to test on the last 20 % of its patients"
                )
            parts = [("train", folder) for folder in _patient_folders(source / "training")]
            parts += [("test", folder) for folder in _patient_folders(source / "testing")]
        cases = [case for split, folder in parts for case in self._scan_patient(folder, split)]
        return [*cases, *assign_validation([], self.validation, source)]

    def save(self, case: SourceCase, size: int | None, image: Path, label: Path | None) -> None:
        """Write a frame or a slice of it."""
        if self.form == "volumes":
            VolumeLayout(label_suffix="_gt", codes=CODES).save(case, size, image, label)
        else:
            refuse_size(size)
            save_slice(case, CODES, image, label)

    def _scan_patient(self, folder: Path, split: Split) -> list[SourceCase]:
        cases = []
        for path in sorted(folder.glob(f"{folder.name}_frame*{ENDING}")):
            stem = path.name.removesuffix(ENDING)
            if FRAME.fullmatch(stem):
                mask = path.with_name(f"{stem}_gt{ENDING}")
                masks = (mask,) if mask.is_file() else ()
                cases.append(SourceCase(DOMAIN, stem, split, path, masks, group=folder.name))
        if not cases:
            raise UserFileError(f"{folder}: no frames; expected {self.expected}")
        if self.form == "slices":
            return [
                part for case in cases for part in slice_cases(case, read_header(case.image).GetSize()[2])
            ]
        return cases


@dataclass(frozen=True)
class H5Layout:
    """The HDF5 files of SSL4MIS, see the module's docstring."""

    form: Form
    validation: ValidationUse
    file_ending: str = ENDING

    @property
    def expected(self) -> str:
        """The layout in words."""
        return "data/patientNNN_frameNN.h5 and data/slices/patientNNN_frameNN_slice_N.h5 with test.list"

    def accepts(self, source: Path) -> bool:
        """Whether there are HDF5 files."""
        return bool(_volumes(source) or _slices(source))

    def scan(self, source: Path) -> list[SourceCase]:
        """All frames of all listed patients, or their slices.

        Raises:
            UserFileError: test.list or a listed file is missing, or there are only slices of a frame
                whose volume is needed.
            UserError: A list is not as it should be, or validation cases are asked for and there are none.
        """
        volumes, slices = _volumes(source), _slices(source)
        frames = sorted({*volumes, *slices})
        cases: dict[Role, list[SourceCase]] = {role: [] for role in get_args(Role)}
        roles = _roles(source, frames)
        for frame in frames:
            role = roles.get(patient_of(frame))
            if role is not None:
                split: Split = "test" if role == "test" else "train"
                cases[role] += self._scan_frame(frame, split, volumes.get(frame), slices.get(frame, {}))
        return [*cases["train"], *cases["test"], *assign_validation(cases["val"], self.validation, source)]

    def save(self, case: SourceCase, size: int | None, image: Path, label: Path | None) -> None:
        """Write a volume or a slice.

        Raises:
            UserError: A size is given, a file cannot be read, is of another dimension than its name says, or
                has an unknown label.
        """
        refuse_size(size)
        picture = read_h5_image(case.image)
        dimension = 2 if self.form == "slices" and case.index is None else 3
        if picture.GetDimension() != dimension:
            raise UserError(
                f"{case.image}: {picture.GetDimension()} dimensions instead of {dimension}; "
                "volumes and slices are told apart by their names"
            )
        write_slice(picture, case.index, image)
        if label is not None:
            write_slice(read_h5_label(case.masks[0], CODES), case.index, label)

    def _scan_frame(
        self, frame: str, split: Split, volume: Path | None, slices: dict[int, Path]
    ) -> list[SourceCase]:
        def case(stem: str, path: Path) -> SourceCase:
            return SourceCase(DOMAIN, stem, split, path, (path,), group=patient_of(frame))

        if self.form == "slices" and slices:
            return [case(slice_name(frame, index), path) for index, path in sorted(slices.items())]
        if volume is None:
            raise UserFileError(f"{frame} has slices but no volume; add {frame}.h5 or use --form slices")
        if self.form == "slices":
            return slice_cases(case(frame, volume), h5_shape(volume)[0])
        return [case(frame, volume)]


def _patient_folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("patient*") if path.is_dir())


def _volumes(source: Path) -> dict[str, Path]:
    paths = [path for folder in VOLUME_FOLDERS for path in (source / folder).glob("*.h5")]
    return {path.stem: path for path in paths if FRAME.fullmatch(path.stem)}


def _slices(source: Path) -> dict[str, dict[int, Path]]:
    """Files of slices by frame and number."""
    found: dict[str, dict[int, Path]] = {}
    for path in [path for folder in SLICE_FOLDERS for path in (source / folder).glob("*.h5")]:
        match = re.fullmatch(rf"({FRAME.pattern})_slice_(\d+)", path.stem)
        if match:
            found.setdefault(match[1], {})[int(match[3])] = path
    return found


def _roles(source: Path, frames: list[str]) -> dict[str, Role]:
    lists: dict[Role, list[Path]] = {
        role: [source / name for name in names if (source / name).is_file()] for role, names in LISTS.items()
    }
    if not any(lists.values()):
        warnings.warn(f"{source} has no test.list: the last 20 % of the patients become test data")
        return unlisted_roles(frames)
    if not lists["test"]:
        found = next(filter(None, lists.values()))[0].name
        raise UserFileError(
            f"{source} has {found} but no test.list; add it, or move all lists away to test on the last 20 % "
            "of the patients"
        )
    return listed_roles(lists, frames)


def convert(options: AcdcOptions, raw_folder: Path) -> Path:
    """Write the dataset; see `convert_release` for arguments and errors."""
    release = Release(
        name="ACDC",
        layouts=(
            ChallengeLayout(options.form, options.validation),
            H5Layout(options.form, options.validation),
        ),
        channel_names=("MRI",),
        labels=("background", "right ventricle", "myocardium", "left ventricle"),
        reference="Bernard et al., IEEE TMI 2018; https://humanheart-project.creatis.insa-lyon.fr",
        license="see https://humanheart-project.creatis.insa-lyon.fr",
        counted="patients",
        name_in_list=patient_of,
    )
    return convert_release(release, options, raw_folder)


def main() -> None:
    """Convert what the command line names."""
    parser = converter_parser(__doc__)
    add_selection_arguments(parser, "patients whose two time frames keep their labels")
    add_validation_argument(parser)
    parser.add_argument(
        "--form", choices=get_args(Form), default="volumes", help="3D volumes (default) or 2D slices"
    )
    add_target_arguments(parser, 505)
    run_with_parser(parser, AcdcOptions, convert)


if __name__ == "__main__":
    main()
