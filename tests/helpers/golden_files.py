"""Where the released code's numbers on random inputs lie."""

from pathlib import Path

GOLDEN = Path(__file__).parents[1] / "golden"
