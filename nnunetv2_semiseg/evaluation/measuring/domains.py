"""Which domain a case belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nnunetv2_semiseg.core.errors import UserError

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
        UserError: A case has none while others have one, or has one that is no text; or ``domains`` is no
            object.
    """
    named = _named(dataset_json)
    cases = tuple(cases)
    if not any(case in named for case in cases):
        return dict.fromkeys(cases, ALL)
    return {case: _domain_of(case, named) for case in cases}


def unused_domains(cases: Sequence[str], dataset_json: Mapping[str, Any]) -> str:
    """A sentence for the user where domains are noted, but of none of some cases; else nothing.

    That is as it should be where only unlabeled images have domains, and a slip where names are misspelt.

    Args:
        cases: Names of the measured ones, at least one.
        dataset_json: Content of dataset.json.
    """
    named = _named(dataset_json)
    if not named or any(case in named for case in cases):
        return ""
    return (
        f"dataset.json notes domains of other cases alone, such as '{next(iter(named))}', and of none of "
        f"those measured, such as '{cases[0]}': all count as one domain"
    )


def _named(dataset_json: Mapping[str, Any]) -> Mapping[str, Any]:
    """Domains by case, as they stand in dataset.json."""
    named = dataset_json.get("domains", {})
    if not isinstance(named, Mapping):
        raise UserError(
            f"'domains' of dataset.json is {named!r}: give the domain of each case by its name, or leave it "
            "out"
        )
    return named


def _domain_of(case: str, named: Mapping[str, Any]) -> str:
    if case not in named:
        raise UserError(f"case '{case}' has no domain: add it to 'domains' in dataset.json")
    domain = named[case]
    if not isinstance(domain, str) or not domain:
        raise UserError(f"case '{case}' has the domain {domain!r} in dataset.json: give it a name")
    return domain
