"""The published files of foundation weights: where they are, what tells a whole one, where downloads go."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pooch

VARIABLE = "nnUNet_semiseg_weights"
"""Environment variable that names another folder for downloads."""

SAM_PLACE = "https://dl.fbaipublicfiles.com/segment_anything/"
SAM_LICENSE = "Apache-2.0 (https://github.com/facebookresearch/segment-anything)"


@dataclass(frozen=True, kw_only=True)
class PublishedWeights:
    """One file as its authors published it.

    Attributes:
        name: Name by which a user asks for the file.
        owner: Whose weights they are.
        architecture: Value of the key ``architecture`` that the weights need.
        normalization: Value of the key ``normalization`` that the weights were trained with.
        file_name: Name under which the file was published.
        url: Address of the file itself.
        place: Where a person finds the file.
        known_hash: ``algorithm:hexadecimal digest``, given by the authors or by their repository.
        license: Terms of the license, or where to read them.
        num_bytes: Size in bytes; None if nobody has published it.
    """

    name: str
    owner: str
    architecture: str
    normalization: str
    file_name: str
    url: str
    place: str
    known_hash: str
    license: str
    num_bytes: int | None = None


def _sam(architecture: str, file_name: str, sha256: str, num_bytes: int | None = None) -> PublishedWeights:
    return PublishedWeights(
        name=f"sam_{architecture}",
        owner="SAM",
        architecture=architecture,
        normalization="sam",
        file_name=file_name,
        url=SAM_PLACE + file_name,
        place=SAM_PLACE,
        known_hash=f"sha256:{sha256}",
        license=SAM_LICENSE,
        num_bytes=num_bytes,
    )


_MEDSAM = PublishedWeights(
    name="medsam_vit_b",
    owner="MedSAM",
    architecture="vit_b",
    normalization="medsam",
    file_name="medsam_vit_b.pth",
    url="https://zenodo.org/records/10689643/files/medsam_vit_b.pth?download=1",
    place="zenodo record 10689643",
    # Zenodo gives no other digest
    known_hash="md5:3bb6db55bd0c9ca30b61248bca72f8d6",
    license="MedSAM's code is Apache-2.0; the file's own terms stand at https://zenodo.org/records/10689643",
)

PUBLISHED_WEIGHTS: dict[str, PublishedWeights] = {
    weights.name: weights
    for weights in (
        _MEDSAM,
        _sam(
            "vit_b",
            "sam_vit_b_01ec64.pth",
            "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
            375_042_383,
        ),
        _sam(
            "vit_l",
            "sam_vit_l_0b3195.pth",
            "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
        ),
        _sam(
            "vit_h",
            "sam_vit_h_4b8939.pth",
            "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
            2_564_550_879,
        ),
    )
}
"""All published files by their names."""

DEFAULT_WEIGHTS = {"medsam": "medsam_vit_b", "sam": "sam_vit_b"}
"""Names of the files to choose by default, by normalization."""


def weights_folder() -> Path:
    """The folder that downloads go to: the one that `VARIABLE` names, or one in the user's cache."""
    named = os.environ.get(VARIABLE, "").strip()
    folder = Path(named) if named else Path(pooch.os_cache("nnunetv2_semiseg")) / "weights"
    return folder.expanduser().absolute()
