"""Records of the input files of unlabeled cases, which tell whether a file has changed since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pooch
from tqdm import tqdm

InputFiles = list[dict[str, Any]]
"""Record of a case: name, size in bytes, modification time in nanoseconds and SHA-256 of each input file."""

DIGEST, TIME = "sha256", "mtime_ns"


def record_of(files: Iterable[Path]) -> InputFiles:
    """Record of the files of a case, without their digests: nothing is read."""
    stats = [(file, file.stat()) for file in files]
    return [{"file": file.name, "size": st.st_size, TIME: st.st_mtime_ns} for file, st in stats]


def with_digests(record: InputFiles, files: Iterable[Path]) -> InputFiles:
    """A record with the digest of each file that has none in it yet."""
    return [
        {**entry, DIGEST: entry.get(DIGEST) or str(pooch.file_hash(str(file), DIGEST))}
        for entry, file in zip(record, files, strict=True)
    ]


def same_content(record: InputFiles, earlier: InputFiles) -> bool:
    """Whether two records are of the same files, by digests or, where one has none, by times."""
    if all(DIGEST in entry for entry in (*record, *earlier)):
        return _without(TIME, record) == _without(TIME, earlier)
    return _without(DIGEST, record) == _without(DIGEST, earlier)


def recognised_files(
    images: Mapping[str, Sequence[Path]], recorded: Mapping[str, InputFiles]
) -> dict[str, InputFiles]:
    """Records of all cases, with digests where the earlier record tells them or where they need a look.

    A copy of a dataset often has other times. Such files are read, which takes less than to preprocess them
    again and keeps trainings alive that use what was made of them. Files of another size have changed.

    Args:
        images: Input files by case.
        recorded: Records that `with_digests` gave when the cases were preprocessed.
    """
    found = {case: record_of(files) for case, files in images.items()}
    copied = []
    for case, record in found.items():
        known = recorded.get(case, [])
        if record == _without(DIGEST, known):
            found[case] = known
        elif _without(TIME, record) == _without(TIME, _without(DIGEST, known)):
            copied.append(case)
    for case in tqdm(copied, desc="Comparing unlabeled images with those that were preprocessed", delay=2):
        found[case] = with_digests(found[case], images[case])
    return found


def _without(name: str, record: InputFiles) -> InputFiles:
    return [{key: value for key, value in entry.items() if key != name} for entry in record]
