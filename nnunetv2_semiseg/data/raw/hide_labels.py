"""Making a labeled raw dataset semi-supervised: some cases keep their labels, the others lose them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tqdm import tqdm

from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.core.files import staged_folder, write_json
from nnunetv2_semiseg.data.raw.case_selection import Selection, choose_labeled
from nnunetv2_semiseg.data.raw.folders import (
    HIDDEN_LABELS,
    UNLABELED_IMAGES,
    dataset_folder_name,
    link_or_copy,
    new_dataset_folder,
)
from nnunetv2_semiseg.data.raw.reading import (
    LabeledCase,
    image_sidecar,
    images_by_case,
    label_sidecar,
    read_dataset_json,
    training_cases,
)

CARRIED_OVER = (UNLABELED_IMAGES, "imagesTs", "labelsTs", HIDDEN_LABELS)


def hide_labels(
    source: Path,
    dataset_id: int,
    name: str,
    num_labeled: int | None = None,
    selection: Selection = "first",
    seed: int = 0,
    overwrite: bool = False,
    labeled_list: Path | None = None,
) -> Path:
    """Write a copy of a raw dataset in which only some training cases have labels.

    Files are hard links to those of ``source`` where the disk allows it. The images of the other training
    cases go to imagesUn, their labels to `HIDDEN_LABELS`. Unlabeled and test images of ``source`` are carried
    over.

    Args:
        source: The raw dataset.
        dataset_id: Id of the new dataset, which is written next to ``source``.
        name: Rest of the new dataset's name, behind ``DatasetNNN_``.
        num_labeled: Number of cases that keep their labels; None with a list.
        selection: ``first`` by name or ``random``.
        seed: Seed of the random selection.
        overwrite: Whether an existing dataset of this id and name is replaced.
        labeled_list: A file that names the cases that keep their labels, or their label files, one per line.

    Returns:
        The new dataset's folder.

    Raises:
        UserFileError: An image or label of a training case does not exist, or the list does not.
        UserError: Both or neither of number and list are given, the dataset has fewer training cases or not
            the listed ones, the new one exists or would replace ``source``, its id is taken, a file does not
            have the dataset's ending, or a training case has the name of an unlabeled one.
    """
    if dataset_folder_name(dataset_id, name) == source.name:
        raise UserError(f"{source.name} cannot replace itself; choose another id for the new dataset")
    target = new_dataset_folder(source.parent, dataset_id, name, overwrite)
    dataset_json = read_dataset_json(source)
    ending = dataset_json["file_ending"]
    cases = training_cases(source, dataset_json)
    for case in sorted(images_by_case(source / UNLABELED_IMAGES, ending).keys() & cases.keys()):
        raise UserError(
            f"{source}: case '{case}' is both labeled and in {UNLABELED_IMAGES}; rename one of them"
        )
    what = f"training cases in {source.name}"
    name_of = partial(_name_in_list, ending=ending)
    labeled = set(choose_labeled(cases, num_labeled, labeled_list, selection, seed, what, name_of))
    with staged_folder(target) as folder:
        _carry_over(source, folder)
        for case, files in tqdm(cases.items(), desc=target.name, unit="case"):
            _place_case(folder, case, files, case in labeled, ending)
        new_json = {key: value for key, value in dataset_json.items() if key != "dataset"}
        new_json |= {"numTraining": len(labeled), "name": name}
        write_json(folder / "dataset.json", new_json, indent=4)
    return target


def _name_in_list(line: str, ending: str) -> str:
    """``spleen_10`` of ``labelsTr/spleen_10.nii.gz``."""
    return line.rpartition("/")[2].removesuffix(ending)


def _place_case(folder: Path, case: str, files: LabeledCase, labeled: bool, ending: str) -> None:
    images = folder / ("imagesTr" if labeled else UNLABELED_IMAGES)
    labels = folder / ("labelsTr" if labeled else HIDDEN_LABELS)
    images.mkdir(exist_ok=True)
    labels.mkdir(exist_ok=True)
    for channel, path in enumerate(files.images):
        link_or_copy(path, images / f"{case}_{channel:04d}{ending}")
    link_or_copy(files.label, labels / f"{case}{ending}")
    for sidecar, place in (
        (image_sidecar(files.images[0], ending), images),
        (label_sidecar(files.label, ending), labels),
    ):
        if sidecar is not None:
            link_or_copy(sidecar, place / f"{case}.json")


def _carry_over(source: Path, folder: Path) -> None:
    for name in CARRIED_OVER:
        if (source / name).is_dir():
            (folder / name).mkdir()
            for path in (path for path in (source / name).iterdir() if path.is_file()):
                link_or_copy(path, folder / name / path.name)
