from __future__ import annotations

from exact_prediction import exact_prediction

__all__ = ["exact_prediction"]
