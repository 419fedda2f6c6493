"""A fixture for tests that compare an exported network with the trained one."""

from __future__ import annotations

import pytest

from nnunetv2_semiseg.networks.sam.model import encoder as sam_encoder


@pytest.fixture(autouse=True)
def exact_prediction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prediction in float32 on every machine, whatever its CPU could do."""
    monkeypatch.setattr(sam_encoder, "CPU_COMPUTES_BFLOAT16", False)
