"""Two processes that average, sum, wait for each other and draw numbers of their own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from rank_processes import on_ranks
from rank_programs import LOSSES, exchange, loss_and_gradient

from nnunetv2_semiseg.core.distributed.ranks import (
    gather_objects,
    mean_of_ranks,
    rank,
    rank_zero_first,
    world_size,
)
from nnunetv2_semiseg.core.distributed.sharing import foreground_share, shares
from nnunetv2_semiseg.trainers.engine.random_state import part_streams, seed_everything


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("ranks")
    return on_ranks(exchange, folder / "processes", folder)


@pytest.mark.parametrize("name", LOSSES)
def test_the_mean_of_the_ranks_gradients_is_that_of_the_whole_batch(
    results: list[dict[str, Any]], name: str
) -> None:
    expected, gradient = loss_and_gradient(name)
    losses, gradients = zip(*(result["losses"][name] for result in results), strict=True)
    torch.testing.assert_close(torch.stack(losses).mean(), expected)
    for found in gradients:
        torch.testing.assert_close(found, gradient)
    assert gradient.abs().max() > 1e-5


def test_gradients_are_averaged_in_one_exchange_for_each_number_format(
    results: list[dict[str, Any]],
) -> None:
    for result in results:
        both, second_alone, none, double = result["gradients"]["means"]
        assert both.tolist() == [[1.5] * 3] * 2, "once, though the parameter was named twice"
        assert second_alone.tolist() == [[0.5] * 3] * 2
        assert none is None
        assert double.tolist() == [[5.0] * 3] * 2
        assert double.dtype == torch.float64
        assert result["gradients"]["exchanges"] == 2


def test_an_overflow_on_one_rank_is_seen_by_all(results: list[dict[str, Any]]) -> None:
    first, second = (result["scaled"] for result in results)
    assert first["scale"] == second["scale"] == 512
    for one, other in zip(first["weights"], second["weights"], strict=True):
        assert torch.equal(one, other)
    torch.manual_seed(0)
    start = torch.nn.Linear(2, 1).weight.data
    assert torch.equal(first["weights"][0], start)
    torch.testing.assert_close(first["weights"][1], start - 0.1 * 1.5)


def test_all_ranks_take_the_weights_and_buffers_of_the_first(results: list[dict[str, Any]]) -> None:
    first, second = (result["weights"] for result in results)
    assert all(torch.equal(first[name], second[name]) for name in first)
    torch.manual_seed(0)
    assert torch.equal(first["0.weight"], torch.nn.Linear(2, 2).weight.data)


def test_ranks_that_were_seeded_alike_draw_different_numbers(results: list[dict[str, Any]]) -> None:
    first, second = (result["streams"] for result in results)
    assert not torch.equal(first["draw"], second["draw"])
    assert list(first["numpy"]) != list(second["numpy"])
    assert first["python"] != second["python"]
    seed_everything(7)
    part_streams(0)
    assert torch.equal(first["draw"], torch.rand(3)), "as a training on one GPU"


def test_each_rank_gets_its_stream_back_and_a_new_one_where_it_had_none(
    results: list[dict[str, Any]],
) -> None:
    (first, alone), (second, new) = (result["restored"] for result in results)
    torch.manual_seed(0)
    assert torch.equal(first, torch.rand(3))
    assert torch.equal(alone, first)
    torch.manual_seed(1)
    assert torch.equal(second, torch.rand(3))
    assert not torch.equal(new, first)


def test_rank_zero_is_first(results: list[dict[str, Any]]) -> None:
    assert [result["order"] for result in results] == ["01", "01"]


def test_what_ranks_tell_each_other(results: list[dict[str, Any]]) -> None:
    for result in results:
        assert result["gathered"] == [{"rank": 0}, {"rank": 1}]
        assert result["means"] == {"both": 0.5, "of 0": 5.0, "of 1": 5.0}


def test_samples_are_shared_evenly(results: list[dict[str, Any]]) -> None:
    assert [result["shares"] for result in results] == [(2, 1), (2, 1)]
    # the last third of a batch shows foreground: of 2 samples the last, of 4 the last, of 12 the last four
    assert [result["foreground"] for result in results] == [[0.0, 0.0, 0.0], [1.0, 0.5, 4 / 6]]


def test_samples_that_cannot_be_shared_evenly_are_refused_in_one_sentence(
    results: list[dict[str, Any]],
) -> None:
    assert {result["refused"] for result in results} == {
        "3 labeled and 4 unlabeled samples a step cannot be shared evenly by -num_gpus 2: give "
        "labeled_batch_size and unlabeled_batch_size multiples of 2 with nnUNetv2_semiseg_configure, or take "
        "another number of GPUs"
    }


def test_one_process_needs_no_others() -> None:
    assert (rank(), world_size()) == (0, 1)
    assert gather_objects("alone") == ["alone"]
    assert mean_of_ranks({"loss": 2.0}) == {"loss": 2.0}
    assert shares({"labeled": 3, "unlabeled": 1}) == (3, 1)
    assert foreground_share(3, 0.33) == pytest.approx(1 / 3)
    with rank_zero_first():
        pass
