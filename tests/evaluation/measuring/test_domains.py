"""Domains of cases."""

from __future__ import annotations

from typing import Any

import pytest

from nnunetv2_semiseg.evaluation.measuring.domains import ALL, domains_of, unused_domains


def test_domains() -> None:
    assert domains_of(["a", "b"], {"domains": {"b": "BMC", "a": "RUNMC"}}) == {"a": "RUNMC", "b": "BMC"}


def test_without_domains() -> None:
    assert domains_of(["a"], {}) == {"a": ALL}
    # as add_unlabeled --domain leaves it: the domains of unlabeled images alone
    assert domains_of(["a", "b"], {"domains": {"un": "RUNMC"}}) == {"a": ALL, "b": ALL}


def test_a_case_without_domain_where_others_have_one() -> None:
    with pytest.raises(ValueError, match="'a' has no domain: add it"):
        domains_of(["a", "b"], {"domains": {"b": "RUNMC"}})


@pytest.mark.parametrize("domain", [None, "", 3, ["RUNMC"]])
def test_domain_that_is_no_name(domain: Any) -> None:
    with pytest.raises(ValueError, match="give it a name"):
        domains_of(["a"], {"domains": {"a": domain}})


@pytest.mark.parametrize("domains", [["RUNMC"], "RUNMC", None, 3])
def test_domains_that_are_no_table(domains: Any) -> None:
    with pytest.raises(ValueError, match=r"'domains' of dataset\.json is .*: give the domain of each case"):
        domains_of(["a"], {"domains": domains})


def test_domains_of_other_cases_alone_are_said() -> None:
    assert unused_domains(["a", "b"], {"domains": {"a": "RUNMC"}}) == ""
    assert unused_domains(["a", "b"], {}) == ""
    assert unused_domains(["a", "b"], {"domains": {}}) == ""
    note = unused_domains(["a", "b"], {"domains": {"a.png": "RUNMC", "un": "BMC"}})
    assert note == (
        "dataset.json notes domains of other cases alone, such as 'a.png', and of none of those measured, "
        "such as 'a': all count as one domain"
    )
