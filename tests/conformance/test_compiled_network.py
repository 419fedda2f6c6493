"""nnU-Net compiles the network on a GPU: a training may not compile it again and again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from method_cases import every_method
from tiny_training import TOTAL_STEPS, Case, make_batch


@pytest.mark.slow
@every_method
def test_equal_steps_take_the_graphs_of_the_first_one(case: Case) -> None:
    """Beyond dynamo's limit of graphs the network would silently run as it does without compilation."""
    graphs: list[Any] = []

    def count(graph: Any, inputs: Any) -> Callable[..., Any]:
        graphs.append(graph)
        forward: Callable[..., Any] = graph.forward
        return forward

    torch._dynamo.reset()
    training = case.make_training()
    training.network = torch.compile(training.network, backend=count)  # type: ignore[assignment]
    for stage in (0, TOTAL_STEPS - 3):
        training.steps_done = stage
        batch = make_batch(case.dimension)
        training.take(batch)
        with torch.no_grad():
            training.network.eval()(batch.labeled_images)
        training.network.train()
        compiled = len(graphs)
        training.take(make_batch(case.dimension, seed=1))
        assert len(graphs) == compiled
    assert 0 < len(graphs) < torch._dynamo.config.recompile_limit
