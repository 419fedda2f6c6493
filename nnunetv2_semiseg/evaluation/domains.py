"""Which domain a case belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ALL = "all"
"""The one domain of a dataset whose dataset.json names none."""


def domain_of(case: str, dataset_json: Mapping[str, Any]) -> str:
    """Where the image of a case comes from: a centre, a vendor.

    Args:
        case: Its name.
        dataset_json: Content of dataset.json; its ``domains`` has the domain of each case by name.

    Returns:
        The domain, `ALL` where the dataset names none.

    Raises:
        ValueError: The dataset names domains, but none for this case, or one that is no text.
    """
    if "domains" not in dataset_json:
        return ALL
    try:
        domain = dataset_json["domains"][case]
    except KeyError:
        raise ValueError(f"case '{case}' has no domain: add it to 'domains' in dataset.json") from None
    if not isinstance(domain, str) or not domain:
        raise ValueError(f"case '{case}' has the domain {domain!r} in dataset.json: give it a name")
    return domain
