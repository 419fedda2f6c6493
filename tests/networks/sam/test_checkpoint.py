from __future__ import annotations

import hashlib
import pickle
import random
from pathlib import Path

import pytest
import torch

from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.networks.sam.checkpoint import (
    PART_NAMES,
    load_sam_checkpoint,
    resize_positions,
    sha256_of,
)
from nnunetv2_semiseg.networks.sam.model.architecture import (
    SAM_ARCHITECTURES,
    build_published_sam_parts,
    build_sam_parts,
)


def _state(architecture: str = "vit_tiny", image_size: int = 96) -> dict[str, torch.Tensor]:
    parts = build_sam_parts(SAM_ARCHITECTURES[architecture], image_size, num_classes=3)
    named = zip(PART_NAMES, parts, strict=True)
    return {f"{part}.{name}": t for part, module in named for name, t in module.state_dict().items()}


def _load(path: Path, image_size: int = 96) -> dict[str, torch.Tensor]:
    return load_sam_checkpoint(path, "vit_tiny", image_size)


def _refusal(path: Path, reason: str) -> None:
    with pytest.raises(UserError, match=reason) as error:
        _load(path)
    message = str(error.value)
    assert str(path) in message
    assert "\n" not in message
    assert any(remedy in message for remedy in ("name ", "fetch it again"))


def test_golden_resizing(golden_file):
    numbers = golden_file("sam_checkpoint_resize.npz")
    grid = int(numbers["in_target_image_size"]) // 16
    made_for = {k.removeprefix("checkpoint."): v for k, v in numbers.items() if k.startswith("checkpoint.")}
    resized = resize_positions(made_for, grid, global_blocks=(2, 5))
    assert resized.keys() == made_for.keys()
    for name, tensor in resized.items():
        torch.testing.assert_close(tensor, numbers[f"resized.{name}"], rtol=1e-4, atol=1e-5)


def test_fitting_positions_stay_as_they_are():
    state = _state()
    resized = resize_positions(state, 6, global_blocks=(1,))
    assert all(torch.equal(tensor, state[name]) for name, tensor in resized.items())


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"model": state, "optimizer": {"lr": 0.1}, "epoch": 3},
        lambda state: {"state_dict": state},
        lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
        lambda state: {"model": {f"module.{name}": tensor for name, tensor in state.items()}},
        lambda state: {**state, "pixel_mean": torch.zeros(3), "note": "trained elsewhere"},
    ],
    ids=["plain", "model", "state_dict", "module", "model and module", "with more"],
)
def test_accepted_layouts(wrap, tmp_path):
    state = _state()
    torch.save(wrap(state), tmp_path / "sam.pth")
    loaded = _load(tmp_path / "sam.pth")
    heads = ("mask_tokens", "output_hypernetworks_mlps", "iou_prediction_head")
    assert loaded.keys() == {n for n in state if not n.startswith(tuple(f"mask_decoder.{h}" for h in heads))}
    assert all(torch.equal(tensor, state[name]) for name, tensor in loaded.items())
    assert "mask_decoder.iou_token.weight" in loaded


def test_heads_are_loaded_where_they_are_wanted(tmp_path):
    parts = build_published_sam_parts(SAM_ARCHITECTURES["vit_tiny"], 96)
    named = zip(PART_NAMES, parts, strict=True)
    state = {f"{part}.{name}": t for part, module in named for name, t in module.state_dict().items()}
    torch.save(state, tmp_path / "sam.pth")
    loaded = load_sam_checkpoint(tmp_path / "sam.pth", "vit_tiny", 96, with_heads=True)
    assert loaded.keys() == state.keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in loaded.items())


def test_heads_of_another_number_of_masks_are_refused(tmp_path):
    torch.save(_state(), tmp_path / "sam.pth")
    with pytest.raises(ValueError, match=r"lacks 6 weights, among them mask_decoder\.output_hyper"):
        load_sam_checkpoint(tmp_path / "sam.pth", "vit_tiny", 96, with_heads=True)


def test_positions_are_fitted_to_the_image_size(tmp_path):
    torch.save(_state(image_size=160), tmp_path / "sam.pth")
    loaded = _load(tmp_path / "sam.pth", image_size=64)
    assert loaded["image_encoder.pos_embed"].shape == (1, 4, 4, 24)
    assert loaded["image_encoder.blocks.1.attn.rel_pos_h"].shape == (7, 12)
    assert loaded["image_encoder.blocks.0.attn.rel_pos_h"].shape == (7, 12)


@pytest.mark.parametrize("read", [_load, sha256_of])
@pytest.mark.parametrize("name", ["missing.pth", ""], ids=["missing", "a folder"])
def test_missing_file(read, name, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no such file; name an existing checkpoint") as error:
        read(tmp_path / name)
    assert str(tmp_path / name) in str(error.value)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "old format"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_truncated_file(zipped, share, tmp_path):
    path = tmp_path / "sam.pth"
    torch.save(_state(), path, _use_new_zipfile_serialization=zipped)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    _refusal(path, "truncated|no PyTorch checkpoint")


def test_empty_file(tmp_path):
    (tmp_path / "sam.pth").touch()
    _refusal(tmp_path / "sam.pth", "truncated")


@pytest.mark.parametrize("content", [b"<html>not found</html>", b"\x00\x01\x02" * 100, b"PK\x03\x04 no zip"])
def test_not_a_checkpoint(content, tmp_path):
    (tmp_path / "sam.pth").write_bytes(content)
    _refusal(tmp_path / "sam.pth", "no PyTorch checkpoint")


def test_any_rubbish_is_refused(tmp_path):
    path = tmp_path / "sam.pth"
    for seed in range(200):
        rubbish = random.Random(seed)
        path.write_bytes(b"\x80\x02" + rubbish.randbytes(rubbish.randrange(60)) + b".")
        _refusal(path, "checkpoint|truncated|weights")


class _Malicious:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "old format"])
def test_code_in_a_file_is_not_run(zipped, tmp_path):
    path, marker = tmp_path / "sam.pth", tmp_path / "was_here"
    torch.save({**_state(), "x": _Malicious(marker)}, path, _use_new_zipfile_serialization=zipped)
    _refusal(path, "could run foreign code")
    assert not marker.exists()
    # the file is indeed dangerous
    torch.load(path, weights_only=False)
    assert marker.exists()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_code_in_a_plain_pickle_is_not_run(tmp_path):
    path, marker = tmp_path / "sam.pth", tmp_path / "was_here"
    path.write_bytes(pickle.dumps(_Malicious(marker)))
    _refusal(path, "foreign code|no PyTorch checkpoint")
    assert not marker.exists()


def test_another_architecture_is_told(tmp_path):
    torch.save(_state("vit_small", 64), tmp_path / "sam.pth")
    _refusal(
        tmp_path / "sam.pth", r"looks like vit_small \(embedding dimension 192, 6 blocks\).*set architec"
    )


def test_unknown_architecture(tmp_path):
    state = {name: t for name, t in _state().items() if ".blocks.1." not in name}
    torch.save(state, tmp_path / "sam.pth")
    _refusal(tmp_path / "sam.pth", r"fits no known architecture \(embedding dimension 24, 1 blocks\)")


def test_weights_of_something_else(tmp_path):
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "sam.pth")
    _refusal(tmp_path / "sam.pth", "no segment-anything checkpoint: it has no image encoder")


@pytest.mark.parametrize("content", [torch.zeros(3), [torch.zeros(3)], 7])
def test_no_names(content, tmp_path):
    torch.save(content, tmp_path / "sam.pth")
    _refusal(tmp_path / "sam.pth", "holds no weights by name")


def test_missing_weights(tmp_path):
    state = {name: tensor for name, tensor in _state().items() if not name.startswith("prompt_encoder")}
    torch.save(state, tmp_path / "sam.pth")
    _refusal(tmp_path / "sam.pth", r"lacks 17 weights, among them prompt_encoder\.")


def test_misfitting_weights(tmp_path):
    state = {**_state(), "image_encoder.neck.0.weight": torch.zeros(8, 24, 1, 1)}
    torch.save(state, tmp_path / "sam.pth")
    _refusal(
        tmp_path / "sam.pth", r"neck\.0\.weight has the shape \(8, 24, 1, 1\) instead of \(16, 24, 1, 1\)"
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(value, tmp_path):
    state = _state()
    state["image_encoder.neck.2.weight"][0, 0] = value
    torch.save(state, tmp_path / "sam.pth")
    _refusal(tmp_path / "sam.pth", "not finite")


def test_sha256(tmp_path):
    content = bytes(range(256)) * 5000
    (tmp_path / "file").write_bytes(content)
    assert sha256_of(tmp_path / "file") == hashlib.sha256(content).hexdigest()
