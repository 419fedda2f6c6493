"""Which trainers are compared, what they are called and which networks come out of them."""

from __future__ import annotations

import pytest
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunetv2_semiseg.comparing.competitors import find_competitors
from nnunetv2_semiseg.trainers.supervised import nnUNetTrainerSupervised


def test_names_networks_and_the_plain_trainer() -> None:
    plain, synfoc, knowsam, cps = find_competitors(
        ["nnUNetTrainer", "nnUNetTrainerSynFoC", "nnUNetTrainerKnowSAM", "nnUNetTrainerCPS"]
    )
    assert (plain.name, plain.trainer, plain.method) == ("nnU-Net", nnUNetTrainerSupervised, None)
    assert plain.models == {"nnU-Net": "nnUNetTrainerSupervised"}
    assert synfoc.models == {
        "SynFoC": "nnUNetTrainerSynFoC",
        "SynFoC Foundation": "nnUNetTrainerSynFoCFoundation",
    }
    assert set(knowsam.further) == {"KnowSAM SubnetA", "KnowSAM SubnetB", "KnowSAM Foundation"}
    assert list(cps.further) == ["CPS Second"]
    assert synfoc.method is not None
    assert synfoc.method.key == "synfoc"


def test_a_trainer_of_nnunet_is_found() -> None:
    (found,) = find_competitors(["nnUNetTrainer_5epochs"])
    assert issubclass(found.trainer, nnUNetTrainer)
    assert (found.name, found.further, found.method) == ("_5epochs", {}, None)


def test_an_unknown_trainer_lists_the_known() -> None:
    with pytest.raises(
        ValueError, match="no trainer nnUNetTrainerSinFoC: take one of nnUNetTrainer, "
    ) as error:
        find_competitors(["nnUNetTrainer", "nnUNetTrainerSinFoC"])
    assert " nnUNetTrainer, " in str(error.value)
    assert "nnUNetTrainerSynFoC," in str(error.value)
    assert "Foundation" not in str(error.value)


@pytest.mark.parametrize(
    "names",
    [("nnUNetTrainer", "nnUNetTrainerSupervised"), ("nnUNetTrainerFixMatch", "nnUNetTrainerFixMatch")],
)
def test_the_same_training_twice(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="are the same training: name it once"):
        find_competitors(names)


def test_an_exported_network_is_no_training() -> None:
    with pytest.raises(NotImplementedError, match="name nnUNetTrainerSynFoC, whose networks are"):
        find_competitors(["nnUNetTrainerSynFoCFoundation"])
