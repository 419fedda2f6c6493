"""Plans of a model that answers some of its tasks alone."""

from __future__ import annotations

import copy

from nnunetv2_semiseg.core.plans_file import limit_of, limited_plans

PLANS = {"plans_name": "p", "configurations": {"2d": {"patch_size": [8, 8]}, "3d": {}}}
TASKS = ["pancreas", "heart", "spleen"]


def test_ids_follow_the_given_order_and_nothing_else_changes() -> None:
    before = copy.deepcopy(PLANS)
    plans = limited_plans(PLANS, "2d", TASKS, ["spleen", "pancreas"])
    assert before == PLANS
    assert limit_of(plans["configurations"]["2d"]) == (3, [2, 0])
    assert plans["configurations"]["2d"].pop("semiseg_tasks") is not None
    assert plans == before


def test_a_limited_model_can_be_limited_again() -> None:
    once = limited_plans(PLANS, "3d", TASKS, ["spleen", "pancreas"])
    twice = limited_plans(once, "3d", ["spleen", "pancreas"], ["pancreas"])
    assert limit_of(twice["configurations"]["3d"]) == (3, [0])


def test_other_plans_have_no_limit() -> None:
    assert limit_of(PLANS["configurations"]["2d"]) is None
