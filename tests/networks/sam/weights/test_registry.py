"""The published files and the folder of downloads."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from loopback_server import LoopbackServer

from nnunetv2_semiseg.networks.sam.model.architecture import SAM_ARCHITECTURES
from nnunetv2_semiseg.networks.sam.weights.download import recognized
from nnunetv2_semiseg.networks.sam.weights.registry import (
    DEFAULT_WEIGHTS,
    PUBLISHED_WEIGHTS,
    VARIABLE,
    weights_folder,
)
from nnunetv2_semiseg.networks.sam.weights.transfer import format_size

DIGITS = {"sha256": 64, "md5": 32}


AS_PUBLISHED = {
    "sam_vit_b": (
        "sam_vit_b_01ec64.pth",
        375_042_383,
        "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
    ),
    "sam_vit_l": (
        "sam_vit_l_0b3195.pth",
        None,
        "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
    ),
    "sam_vit_h": (
        "sam_vit_h_4b8939.pth",
        2_564_550_879,
        "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
    ),
    "medsam_vit_b": ("medsam_vit_b.pth", None, "3bb6db55bd0c9ca30b61248bca72f8d6"),
}
"""File, bytes and digest, a second time: with a slip in one of them no download would ever be whole."""


def test_files_are_those_that_were_published() -> None:
    found = {
        name: (weights.file_name, weights.num_bytes, weights.known_hash.partition(":")[2])
        for name, weights in PUBLISHED_WEIGHTS.items()
    }
    assert found == AS_PUBLISHED
    places = {name: weights.url.rpartition("/")[0] for name, weights in PUBLISHED_WEIGHTS.items()}
    assert places.pop("medsam_vit_b") == "https://zenodo.org/records/10689643/files"
    assert set(places.values()) == {"https://dl.fbaipublicfiles.com/segment_anything"}


@pytest.mark.parametrize("name", PUBLISHED_WEIGHTS)
def test_every_file_is_described(name: str) -> None:
    weights = PUBLISHED_WEIGHTS[name]
    algorithm, _, digest = weights.known_hash.partition(":")
    assert re.fullmatch(rf"[0-9a-f]{{{DIGITS[algorithm]}}}", digest)
    assert weights.name == name
    assert weights.architecture in SAM_ARCHITECTURES
    assert weights.normalization in DEFAULT_WEIGHTS
    assert weights.url.startswith("https://")
    assert weights.file_name in weights.url
    assert "http" in weights.license


def test_default_weights_are_trained_with_their_normalization() -> None:
    for normalization, name in DEFAULT_WEIGHTS.items():
        assert PUBLISHED_WEIGHTS[name].normalization == normalization


def test_sizes_in_words() -> None:
    assert format_size(375_042_383) == "375,042,383 bytes (375 MB)"
    assert format_size(None) == "unknown"


def test_the_variable_moves_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    default = tmp_path / "cache" / "nnunetv2_semiseg" / "weights"
    monkeypatch.delenv(VARIABLE, raising=False)
    assert weights_folder() == default
    monkeypatch.setenv(VARIABLE, " ")
    assert weights_folder() == default
    monkeypatch.setenv(VARIABLE, "~/mine")
    assert weights_folder() == tmp_path / "mine"


def test_a_copy_is_recognized_by_its_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = LoopbackServer(b"these bytes")
    md5 = f"md5:{hashlib.md5(b'those bytes').hexdigest()}"
    described = {"sha": server.weights(), "md5": server.weights(known_hash=md5, num_bytes=None)}
    monkeypatch.setattr("nnunetv2_semiseg.networks.sam.weights.download.PUBLISHED_WEIGHTS", described)
    file = tmp_path / "some name"
    for content, name in ((b"these bytes", "sha"), (b"those bytes", "md5"), (b"other bytes", None)):
        file.write_bytes(content)
        assert recognized(file) == described.get(name or "")
