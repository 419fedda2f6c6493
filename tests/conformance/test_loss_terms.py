"""The loss terms of every method: which networks each of them reaches, and that nothing is left out."""

from __future__ import annotations

import pytest
import torch
from method_cases import CASES, assert_all_reached, every_method, gradient_norm, later_step
from tiny_training import Case, make_batch, may_take_sam


@every_method
@pytest.mark.parametrize("step", [0, 8], ids=["first step", "later step"])
def test_each_term_trains_exactly_what_it_names(case: Case, step: int) -> None:
    training = case.make_training()
    training.steps_done = step
    batch = make_batch(case.dimension)
    for name in training.losses(batch).terms:
        for network in training.trained().values():
            network.zero_grad(set_to_none=True)
        term = training.losses(batch).terms[name]
        assert term.trains, f"{name} trains nothing"
        assert term.trains <= training.trained().keys()
        term.value.backward()
        for network_name, network in training.trained().items():
            reached = gradient_norm(network) > 0
            assert reached == (network_name in term.trains), f"{name} and {network_name}"
        for teacher in training.method.teachers().values():
            assert gradient_norm(teacher) == 0


@every_method
def test_every_trained_parameter_is_reached(case: Case) -> None:
    training = later_step(case.make_training())
    training.take(make_batch(case.dimension))  # LoRA's second factor starts at zero and hides the first
    training.losses(make_batch(case.dimension)).total.backward()
    assert_all_reached(training)


@every_method
def test_every_trained_parameter_is_reached_in_mixed_precision(case: Case) -> None:
    training = later_step(case.make_training())
    training.take(make_batch(case.dimension))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        total = training.losses(make_batch(case.dimension)).total
    assert total.dtype == torch.float32
    assert torch.isfinite(total)
    total.backward()
    assert_all_reached(training)


@pytest.mark.parametrize("case", [case for case in CASES if may_take_sam(case.method_class)], ids=str)
def test_sam_is_there_only_by_wish_and_teaches_the_students(case: Case) -> None:
    training = later_step(case.make_training())
    sam_modules = [part for part in training.method.modules() if type(part).__module__.startswith("segment")]
    terms = training.losses(make_batch(case.dimension)).terms
    taught = {name for name, term in terms.items() if name.startswith("distillation")}
    if not case.with_sam:
        assert not sam_modules
        assert not training.method.frozen_modules()
        assert not taught
        return
    assert sam_modules
    students = training.trained().keys() - {"sam"}
    assert frozenset().union(*(terms[name].trains for name in taught)) == students
    assert terms["supervised_sam"].trains == {"sam"}
