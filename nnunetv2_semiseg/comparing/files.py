"""Reading the small files of other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_json(file: Path, remedy: str) -> Any:
    """Content of a JSON file.

    Args:
        file: It.
        remedy: What to do where it is missing or damaged, for the message.

    Raises:
        ValueError: It does not exist or is no JSON.
    """
    try:
        return json.loads(file.read_text())
    except FileNotFoundError:
        raise ValueError(f"{file} does not exist: {remedy}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} is damaged ({error}): {remedy}") from None
