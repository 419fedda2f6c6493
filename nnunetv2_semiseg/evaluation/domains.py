"""Which domain a case belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

ALL = "all"
"""The one domain of cases for which dataset.json names none."""


def domains_of(cases: Iterable[str], dataset_json: Mapping[str, Any]) -> dict[str, str]:
    """Where the images of some cases come from: a centre, a vendor.

    Args:
        cases: Their names.
        dataset_json: Content of dataset.json; its ``domains`` has the domain of each case by name.

    Returns:
        The domain of each case; `ALL` for every one where none of them has one, as when only the unlabeled
        images of a dataset have.

    Raises:
        ValueError: A case has none while others have one, or has one that is no text.
    """
    named = dataset_json.get("domains", {})
    cases = tuple(cases)
    if not any(case in named for case in cases):
        return dict.fromkeys(cases, ALL)
    return {case: _domain_of(case, named) for case in cases}


def _domain_of(case: str, named: Mapping[str, Any]) -> str:
    if case not in named:
        raise ValueError(f"case '{case}' has no domain: add it to 'domains' in dataset.json")
    domain = named[case]
    if not isinstance(domain, str) or not domain:
        raise ValueError(f"case '{case}' has the domain {domain!r} in dataset.json: give it a name")
    return domain
