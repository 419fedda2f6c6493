"""Which domain a case belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nnunetv2_semiseg.core.errors import UserError

ALL = "all"
"""Name of the only domain where dataset.json names none."""


def domains_of(cases: Iterable[str], dataset_json: Mapping[str, Any]) -> dict[str, str]:
    """Domains of some cases, such as the center or the vendor that their images come from.

    Args:
        cases: Names of the cases.
        dataset_json: Content of dataset.json, in which ``domains`` has the domain of each case by name.

    Returns:
        The domain of each case. It is `ALL` for every case if none of them has a domain, as in a dataset in
        which only unlabeled images have domains.

    Raises:
        UserError: A case has no domain while others have one, a domain is not text, or ``domains`` is not an
            object.

    Examples:
        >>> domains_of(["a", "b"], {"domains": {"a": "site 1", "b": "site 2"}})
        {'a': 'site 1', 'b': 'site 2'}
        >>> domains_of(["a", "b"], {})
        {'a': 'all', 'b': 'all'}
    """
    named = _named(dataset_json)
    cases = tuple(cases)
    if not any(case in named for case in cases):
        return dict.fromkeys(cases, ALL)
    return {case: _domain_of(case, named) for case in cases}


def unused_domains(cases: Sequence[str], dataset_json: Mapping[str, Any]) -> str:
    """A sentence for the user if dataset.json has domains, but none for the measured cases; else nothing.

    That is right if only unlabeled images have domains, and a mistake if names are misspelled.

    Args:
        cases: Names of the measured cases, of which there is at least one.
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
    """Domains by case, as dataset.json has them."""
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
