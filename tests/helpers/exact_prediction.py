"""A fixture for tests that compare an exported network with the trained one."""

from __future__ import annotations

import pytest

from nnunetv2_semiseg.networks.sam.model.prediction_precision import VARIABLE


@pytest.fixture(autouse=True)
def exact_prediction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exported networks that a test builds predict in float32, whatever the CPU could do."""
    monkeypatch.setenv(VARIABLE, "float32")
