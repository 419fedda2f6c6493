"""What every method shows of a step, and that looking changes nothing."""

from __future__ import annotations

import pytest
import torch
from method_cases import METHODS, every_method, same, snapshot
from tiny_training import CLASSES, SAMPLES, SIZE, TOTAL_STEPS, Case, make_batch

from nnunetv2_semiseg.methods.losses.agreement import class_map_agreement
from nnunetv2_semiseg.methods.parts import panels
from nnunetv2_semiseg.methods.step import Panel, StepLosses
from nnunetv2_semiseg.trainers.watching.rows import make_rows

FIRST, LATE = 0, TOTAL_STEPS - 2
MEASURED_MASKS = ("confident_share", "certain_share")
MEASURED_MAPS = [
    ("cps", "first network", "second network", "agreement"),
    ("knowsam", "subnet A", "subnet B", "subnet_agreement"),
    ("knowsam", "SAM", "fused", "sam_agreement"),
    ("versemi", "all tasks", "any structure", "agreement"),
]


def shown(case: Case, step: int) -> dict[str, Panel]:
    training = case.make_training()
    training.steps_done = step
    return dict(training.losses(make_batch(case.dimension)).panels())


@every_method
@pytest.mark.parametrize("step", [FIRST, LATE], ids=["first step", "late step"])
def test_a_step_shows_a_pseudo_label_or_says_why_not(case: Case, step: int) -> None:
    columns = shown(case, step)
    assert any(panel.classes is not None or panel.note for panel in columns.values())
    rows = make_rows(make_batch(case.dimension), columns, in_color=False)
    assert len(rows) == SAMPLES
    for row in rows:
        assert list(row.cells)[:2] == ["weak view", "strong view"]
        assert row.cells.keys() == {"weak view", "strong view", *columns}


@every_method
def test_a_late_step_has_classes(case: Case) -> None:
    assert any(panel.classes is not None for panel in shown(case, LATE).values())


@every_method
@pytest.mark.parametrize("step", [FIRST, LATE], ids=["first step", "late step"])
def test_panels_are_of_the_unlabeled_samples(case: Case, step: int) -> None:
    grid = (SIZE,) * case.dimension
    for title, panel in shown(case, step).items():
        assert panel.note or panel.image is not None or panel.trust is not None, title
        if panel.image is not None:
            assert panel.image.shape == (SAMPLES, 1, *grid), title
        if panel.classes is not None:
            assert panel.classes.shape == (SAMPLES, *grid), title
            assert not panel.classes.is_floating_point(), title
            assert 0 <= panel.classes.min() <= panel.classes.max() < CLASSES, title
        if panel.trust is not None:
            assert panel.trust.shape == (SAMPLES, *grid), title
            assert 0 <= panel.trust.float().min() <= panel.trust.float().max() <= 1, title


@every_method
def test_the_mask_shown_is_the_one_that_is_measured(case: Case) -> None:
    losses = late_losses(case)
    shares = [float(value) for name, value in losses.measures.items() if name in MEASURED_MASKS]
    masks = [
        panel.trust.float().mean()
        for panel in losses.panels().values()
        if panel.image is None and panel.trust is not None and panel.trust.dtype == torch.bool
    ]
    assert masks == pytest.approx(shares)


@pytest.mark.parametrize(("key", "first", "second", "measure"), MEASURED_MAPS)
def test_the_maps_shown_are_those_that_are_measured(key: str, first: str, second: str, measure: str) -> None:
    losses = late_losses(Case(METHODS[key], 2))
    panels = losses.panels()
    maps = [shown_map(panels[title]) for title in (first, second)]
    num_classes = CLASSES
    if panels[second].classes is None:  # one map is of foreground and background alone
        maps, num_classes = [(classes > 0).long() for classes in maps], 2
    agreement = class_map_agreement(*maps, num_classes).mean()
    assert agreement == pytest.approx(float(losses.measures[measure]))


def shown_map(panel: Panel) -> torch.Tensor:
    if panel.classes is not None:
        return panel.classes
    assert panel.trust is not None
    return (panel.trust > 0.5).long()


def late_losses(case: Case) -> StepLosses:
    training = case.make_training()
    training.steps_done = LATE
    return training.losses(make_batch(case.dimension))


@every_method
@pytest.mark.parametrize("start", [FIRST, LATE], ids=["first step", "late step"])
def test_looking_changes_nothing(case: Case, start: int) -> None:
    """Losses, weights, teachers and the random stream are the same bits."""
    results = []
    for looking in (False, True):
        training = case.make_training()
        training.steps_done = start
        values: list[torch.Tensor] = []

        def look(losses: StepLosses, looking: bool = looking, values: list[torch.Tensor] = values) -> None:
            values.extend([losses.total.detach(), *losses.measures.values()])
            if looking:
                losses.panels()

        for seed in range(2):
            training.take(make_batch(case.dimension, seed), look)
        states = (snapshot(training.network), snapshot(training.method))
        results.append((values, states, torch.get_rng_state()))
    (values, states, stream), (looked, states_looked, stream_looked) = results
    assert all(torch.equal(*pair) for pair in zip(values, looked, strict=True))
    assert all(same(*pair) for pair in zip(states, states_looked, strict=True))
    assert torch.equal(stream, stream_looked)


@every_method
def test_nothing_is_made_where_nobody_looks(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a panel was made")

    monkeypatch.setattr(panels.Panel, "__init__", refuse)
    for start in (FIRST, LATE):
        training = case.make_training()
        training.steps_done = start
        training.take(make_batch(case.dimension))
