"""Domains of cases."""

from __future__ import annotations

from typing import Any

import pytest

from nnunetv2_semiseg.evaluation.domains import ALL, domain_of


def test_domain() -> None:
    assert domain_of("a", {"domains": {"a": "RUNMC"}}) == "RUNMC"
    assert domain_of("a", {}) == ALL


def test_case_without_domain() -> None:
    with pytest.raises(ValueError, match="'a' has no domain: add it"):
        domain_of("a", {"domains": {"b": "RUNMC"}})


@pytest.mark.parametrize("domain", [None, "", 3, ["RUNMC"]])
def test_domain_that_is_no_name(domain: Any) -> None:
    with pytest.raises(ValueError, match="give it a name"):
        domain_of("a", {"domains": {"a": domain}})
