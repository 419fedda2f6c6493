"""What tells whether the input files of an unlabeled case have changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

Sources = list[dict[str, Any]]
"""The input files of a case: name, size in bytes, modification time in nanoseconds, digest of the content."""

DIGEST, TIME = "sha256", "mtime_ns"

BLOCK = 1 << 20


def sources_of(files: Iterable[Path]) -> Sources:
    """The input files of a case, without their digests: nothing is read."""
    stats = [(file, file.stat()) for file in files]
    return [{"file": file.name, "size": st.st_size, TIME: st.st_mtime_ns} for file, st in stats]


def with_digests(sources: Sources, files: Iterable[Path]) -> Sources:
    """The same with the digest of each file that has none yet."""
    return [
        {**source, DIGEST: source.get(DIGEST) or _digest(file)}
        for source, file in zip(sources, files, strict=True)
    ]


def same_content(sources: Sources, recorded: Sources) -> bool:
    """Whether files are those of the record: by their digests, or where one has none by their times."""
    if all(DIGEST in source for source in (*sources, *recorded)):
        return _without(TIME, sources) == _without(TIME, recorded)
    return _without(DIGEST, sources) == _without(DIGEST, recorded)


def recognised_sources(
    images: Mapping[str, Sequence[Path]], recorded: Mapping[str, Sources]
) -> dict[str, Sources]:
    """The input files of all cases, with digests where the record tells them or where they need a look.

    A copy of a dataset often has other times. Such files are read, which takes less than to preprocess them
    again and keeps trainings alive that use what was made of them. Files of another size have changed.

    Args:
        images: Input files by case.
        recorded: What `with_digests` gave when the cases were preprocessed.
    """
    found = {case: sources_of(files) for case, files in images.items()}
    copied = []
    for case, sources in found.items():
        known = recorded.get(case, [])
        if sources == _without(DIGEST, known):
            found[case] = known
        elif _without(TIME, sources) == _without(TIME, _without(DIGEST, known)):
            copied.append(case)
    for case in tqdm(copied, desc="Comparing unlabeled images with those that were preprocessed", delay=2):
        found[case] = with_digests(found[case], images[case])
    return found


def _without(name: str, sources: Sources) -> Sources:
    return [{key: value for key, value in source.items() if key != name} for source in sources]


def _digest(file: Path) -> str:
    value = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(BLOCK):
            value.update(block)
    return value.hexdigest()
