"""Preprocessed unlabeled cases on disk, and the manifest that says what they were made from.

Beside the folder of a dataset's labeled preprocessed cases, ``<data_identifier>/``, there are

- ``<data_identifier>_unlabeled/``: the unlabeled ones, in nnU-Net's format and nothing else: a foreign file
  would keep nnU-Net from recognising the format;
- ``<data_identifier>_unlabeled.json``: the manifest;
- ``<data_identifier>_unlabeled.tmp/``: cases that are being written;
- ``<data_identifier>_unlabeled.lock``: held by the process that changes any of these.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnunetv2_semiseg.core.files import write_json
from nnunetv2_semiseg.data.unlabeled.input_files import InputFiles, same_content

SUFFIXES = ("_seg.b2nd", ".pkl", ".b2nd")
"""Files of a case. The image is last: cases are discovered by it, so it must appear after the rest."""

SECONDS_BETWEEN_SAVES = 1.0
"""Pause between two writings of the manifest, which takes longer than preprocessing a small image."""


def plan_fields(plans_manager: Any, configuration_manager: Any) -> dict[str, Any]:
    """The fields of the plans that preprocessing of an image depends on, as JSON values."""
    configuration = configuration_manager.configuration
    names = (
        "preprocessor_name",
        "spacing",
        "normalization_schemes",
        "use_mask_for_norm",
        "resampling_fn_data",
        "resampling_fn_data_kwargs",
        "resampling_fn_seg",
        "resampling_fn_seg_kwargs",
    )
    fields = {name: configuration.get(name) for name in names}
    fields["transpose_forward"] = plans_manager.transpose_forward
    fields["image_reader_writer"] = plans_manager.plans["image_reader_writer"]
    fields["foreground_intensity_properties_per_channel"] = (
        plans_manager.foreground_intensity_properties_per_channel
    )
    # tuples, integer keys and the like must compare equal to what the manifest gives back
    return dict(json.loads(json.dumps(fields)))


@dataclass
class Manifest:
    """What the preprocessed cases were made from.

    Attributes:
        plan_fields: Values of the plan fields that preprocessing depends on, see `plan_fields`.
        cases: Records of the input files of each case.
    """

    plan_fields: dict[str, Any] = field(default_factory=dict)
    cases: dict[str, InputFiles] = field(default_factory=dict)

    @classmethod
    def load(cls, file: Path) -> Manifest:
        """Read a manifest; an empty one where the file is missing or unreadable, so that all is redone."""
        try:
            content = json.loads(file.read_text())
            return cls(content["plan_fields"], content["cases"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return cls()

    def save(self, file: Path) -> None:
        """Write the manifest in one step: readers see the old one or the new one."""
        write_json(file, {"plan_fields": self.plan_fields, "cases": self.cases}, indent=1)

    def changed_fields(self, fields: Mapping[str, Any]) -> list[str]:
        """Names of the plan fields that differ from ``fields``."""
        return [name for name in fields if self.plan_fields.get(name) != fields[name]]


class UnlabeledStore:
    """The preprocessed unlabeled cases of one data identifier. Changing it needs the lock."""

    def __init__(self, preprocessed_dataset: Path, data_identifier: str) -> None:
        """Read the manifest.

        Args:
            preprocessed_dataset: ``nnUNet_preprocessed/DatasetNNN_Name``.
            data_identifier: nnU-Net's ``data_identifier`` of the configuration.
        """
        name = f"{data_identifier}_unlabeled"
        self.folder = preprocessed_dataset / name
        self.manifest_file = preprocessed_dataset / f"{name}.json"
        self.temporary = preprocessed_dataset / f"{name}.tmp"
        self.lock_file = preprocessed_dataset / f"{name}.lock"
        self._saved_at = 0.0
        self.reload()

    def reload(self) -> None:
        """Read the manifest again."""
        self.manifest = Manifest.load(self.manifest_file)

    def files(self) -> set[str]:
        """Names of all files in the folder."""
        return set(os.listdir(self.folder)) if self.folder.is_dir() else set()

    def complete_cases(self) -> list[str]:
        """Cases of the manifest that have all their files."""
        present = self.files()
        return [c for c in self.manifest.cases if all(f"{c}{suffix}" in present for suffix in SUFFIXES)]

    def up_to_date(self, fields: Mapping[str, Any], wanted: Mapping[str, InputFiles]) -> set[str]:
        """Those of the ``wanted`` cases that need not be preprocessed again."""
        if self.manifest.changed_fields(fields):
            return set()
        recorded = self.manifest.cases
        return {c for c in self.complete_cases() if c in wanted and same_content(wanted[c], recorded[c])}

    def is_current(self, fields: Mapping[str, Any], wanted: Mapping[str, InputFiles]) -> bool:
        """Whether the folder holds exactly the ``wanted`` cases, all up to date."""
        return self.up_to_date(fields, wanted) == set(wanted) == set(self.manifest.cases)

    def keep_only(self, cases: set[str], fields: dict[str, Any]) -> None:
        """Remove every other case and every file that belongs to none.

        What changed is removed before it is redone, so that a run killed at any point leaves no case whose
        files stem from two versions of its image.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        kept = {f"{case}{suffix}" for case in cases for suffix in SUFFIXES}
        for name in self.files() - kept:
            (self.folder / name).unlink()
        shutil.rmtree(self.temporary, ignore_errors=True)
        self.manifest = Manifest(fields, {case: self.manifest.cases[case] for case in sorted(cases)})
        self.save()

    def new_temporary(self) -> Path:
        """An empty folder to write cases into, on the same file system.

        Its name is new each time: a worker that outlives a killed run cannot write into the next run's.
        """
        self.temporary.mkdir(exist_ok=True)
        return Path(tempfile.mkdtemp(dir=self.temporary))

    def adopt(self, case: str, written: Path, inputs: InputFiles) -> None:
        """Take over a finished case, made from ``inputs``, from the temporary folder ``written``."""
        for suffix in SUFFIXES:
            (written / f"{case}{suffix}").replace(self.folder / f"{case}{suffix}")
        self.manifest.cases[case] = inputs
        if time.monotonic() - self._saved_at > SECONDS_BETWEEN_SAVES:
            self.save()

    def save(self) -> None:
        """Write the manifest now."""
        self.manifest.save(self.manifest_file)
        self._saved_at = time.monotonic()

    def clean(self) -> None:
        """Remove the temporary folder."""
        shutil.rmtree(self.temporary, ignore_errors=True)
