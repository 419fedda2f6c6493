"""Preprocessing of those unlabeled images of a dataset that are new or changed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from nnunetv2.configuration import default_num_processes
from nnunetv2.paths import nnUNet_raw
from nnunetv2.preprocessing.normalization.default_normalization_schemes import RGBTo01Normalization

from nnunetv2_semiseg.core.errors import UserError, UserFileError
from nnunetv2_semiseg.core.files import locked, read_json
from nnunetv2_semiseg.core.processes import results_of_workers
from nnunetv2_semiseg.data.raw.folders import UNLABELED_IMAGES, preprocessed_folder
from nnunetv2_semiseg.data.raw.image_checks import Expectation, are_volumes
from nnunetv2_semiseg.data.unlabeled.case import PendingCase, preprocess_case
from nnunetv2_semiseg.data.unlabeled.finding import find_unlabeled_cases, naming
from nnunetv2_semiseg.data.unlabeled.input_files import InputFiles, recognised_files, with_digests
from nnunetv2_semiseg.data.unlabeled.store import UnlabeledStore, plan_fields

Log = Callable[[str], None]

TITLE = "Preprocessing unlabeled cases"

KILLED = (
    "a preprocessing process was killed, most likely because memory ran out (an error above this one would "
    "say otherwise); what is finished is kept, so run again with fewer processes (-np, or the environment "
    "variable nnUNet_def_n_proc)"
)


@dataclass(frozen=True)
class UnlabeledData:
    """Preprocessed unlabeled cases.

    Attributes:
        folder: Folder with the cases in nnU-Net's format (``nnUNetDatasetBlosc2``).
        cases: Names of the cases, sorted.
    """

    folder: Path
    cases: tuple[str, ...]


def preprocess_unlabeled(
    dataset_name: str,
    plans_manager: Any,
    configuration_manager: Any,
    dataset_json: Mapping[str, Any],
    num_processes: int | None = None,
    log: Log = print,
) -> UnlabeledData:
    """Bring the preprocessed unlabeled images of a configuration up to date.

    Images in ``imagesUn/`` that are new or changed are preprocessed, those that are gone are removed; if the
    plans have changed in a field that preprocessing uses, all are redone. A run that was killed goes on when
    it is started again. Where the raw dataset is not on this machine, what is already preprocessed is used.

    Args:
        dataset_name: ``DatasetNNN_Name``.
        plans_manager: nnU-Net's plans of the dataset.
        configuration_manager: The configuration to preprocess for.
        dataset_json: Content of the dataset's ``dataset.json``.
        num_processes: Background processes; None: nnU-Net's default (``nnUNet_def_n_proc``, else 8).
        log: Takes lines for the user.

    Returns:
        Folder and names of the cases.

    Raises:
        UserFileError: There are no unlabeled images.
        UserError: nnUNet_preprocessed is not set, file names do not fit the dataset, or images cannot be
            used; those that can are done.
        WorkerKilledError: A background process was killed.
    """
    preprocessed = preprocessed_folder() / dataset_name
    store = UnlabeledStore(preprocessed, configuration_manager.data_identifier)
    fields = plan_fields(plans_manager, configuration_manager)
    raw_dataset = Path(nnUNet_raw) / dataset_name if nnUNet_raw.is_set() else None
    if raw_dataset is None or not raw_dataset.is_dir():
        return _already_preprocessed(store, fields, dataset_name, log)

    images = find_unlabeled_cases(raw_dataset, dataset_json, log)
    # looked at without the lock first: the folder may be read-only where there is nothing to do
    wanted = recognised_files(images, store.manifest.cases)
    if store.is_current(fields, wanted):
        _note_times(store, fields, wanted)
        log(f"unlabeled images: all {len(images)} cases are up to date in {store.folder}")
    else:
        pending = partial(
            PendingCase,
            plans_manager=plans_manager,
            configuration_manager=configuration_manager,
            dataset_json=dataset_json,
            expected=_expectation(preprocessed, plans_manager, configuration_manager, dataset_json),
        )
        preprocessed.mkdir(parents=True, exist_ok=True)
        busy = (
            "another process is preprocessing these unlabeled images; waiting until it releases "
            f"{store.lock_file}"
        )
        with locked(store.lock_file, busy, log=log):
            problems = _update(store, fields, images, pending, num_processes or default_num_processes, log)
        _refuse(problems, raw_dataset / UNLABELED_IMAGES)
    return UnlabeledData(store.folder, tuple(images))


def _expectation(
    preprocessed: Path, plans_manager: Any, configuration_manager: Any, dataset_json: Mapping[str, Any]
) -> Expectation:
    """What images are like, from the plans and, as plans don't say it, the fingerprint of the labeled images.

    A 2D image among volumes would be resampled from the slice thickness of 999 that nnU-Net gives it, to
    hundreds of slices.
    """
    # nnU-Net 1 called channels modalities, and nnU-Net 2 still reads such files
    channels = dataset_json.get("channel_names") or dataset_json["modality"]
    schemes = set(configuration_manager.normalization_schemes)
    file = preprocessed / "dataset_fingerprint.json"
    remedy = "run nnUNetv2_extract_fingerprint for this dataset"
    shapes = read_json(file, remedy).get("shapes_after_crop", []) if file.is_file() else []
    if not shapes:
        axis = list(plans_manager.transpose_forward).index(0)
        shapes = [[round(plans_manager.original_median_shape_after_transp[axis])]]
    return Expectation(len(channels), are_volumes(shapes), schemes == {RGBTo01Normalization.__name__})


def _note_times(store: UnlabeledStore, fields: Mapping[str, Any], wanted: Mapping[str, InputFiles]) -> None:
    """Keep the times of images that were copied, so that they need not be read at every start."""
    if store.manifest.cases == wanted:
        return
    # a read-only folder, a disk without locks, another process at work: they are read again next time
    with contextlib.suppress(OSError, UserError), locked(store.lock_file, "busy") as held:
        store.reload()
        if held and store.is_current(fields, wanted):
            store.manifest.cases = dict(wanted)
            store.save()


def _update(
    store: UnlabeledStore,
    fields: dict[str, Any],
    images: Mapping[str, Sequence[Path]],
    pending: Callable[..., PendingCase],
    num_processes: int,
    log: Log,
) -> dict[str, str]:
    """Preprocess what is new or changed; returns what is wrong with the cases that could not be, by name."""
    store.reload()  # another process may have done the work while this one waited for the lock
    wanted = recognised_files(images, store.manifest.cases)
    current = store.up_to_date(fields, wanted)
    missing = [case for case in wanted if case not in current]
    _announce(store, fields, wanted, current, log)
    problems: dict[str, str] = {}
    store.keep_only(current, fields)
    output = store.new_temporary()
    cases = [pending(case, tuple(images[case]), output) for case in missing]
    try:
        for index, problem in results_of_workers(preprocess_case, cases, num_processes, TITLE, KILLED):
            case = missing[index]
            if problem is None:
                store.adopt(case, output, with_digests(wanted[case], images[case]))
            else:
                problems[case] = problem
    finally:
        store.save()
        store.clean()
    log(
        f"unlabeled images: {len(missing) - len(problems)} cases preprocessed, {len(current)} were up to "
        f"date, in {store.folder}"
    )
    return problems


def _already_preprocessed(
    store: UnlabeledStore, fields: Mapping[str, Any], dataset_name: str, log: Log
) -> UnlabeledData:
    """What an earlier run has preprocessed, where there are no raw images to compare it with."""
    remedy = (
        f"set nnUNet_raw to a folder with {dataset_name}/{UNLABELED_IMAGES}, so that they can be preprocessed"
    )
    cases = tuple(sorted(store.manifest.cases))
    if not cases:
        raise UserFileError(f"no unlabeled images in {store.folder}: {remedy}")
    changed = store.manifest.changed_fields(fields)
    if changed:
        raise UserError(
            f"the unlabeled images in {store.folder} were preprocessed with other plans (different: "
            f"{', '.join(changed)}): {remedy}"
        )
    incomplete = sorted(set(cases) - set(store.complete_cases()))
    if incomplete:
        raise UserFileError(f"{naming(incomplete)}: files are missing in {store.folder}; {remedy}")
    log(f"no raw images of {dataset_name} here: using the {len(cases)} unlabeled cases in {store.folder}")
    return UnlabeledData(store.folder, cases)


def _announce(
    store: UnlabeledStore,
    fields: Mapping[str, Any],
    wanted: Mapping[str, InputFiles],
    current: set[str],
    log: Log,
) -> None:
    """Tell the user what is going to be done, and why."""
    changed = store.manifest.changed_fields(fields)
    if store.manifest.cases and changed:
        log(f"the plans changed ({', '.join(changed)}): all unlabeled images are preprocessed again")
    removed = sorted(set(store.manifest.cases) - set(wanted))
    if removed:
        log(f"unlabeled images that are gone from {UNLABELED_IMAGES} are removed: {naming(removed)}")
    log(f"unlabeled images: {len(wanted) - len(current)} cases to preprocess into {store.folder}")


def _refuse(problems: Mapping[str, str], folder: Path) -> None:
    if problems:
        named = naming([f"{case} ({problem})" for case, problem in sorted(problems.items())])
        raise UserError(
            f"{named} cannot be used: replace or remove these images in {folder}; all others are preprocessed"
        )
