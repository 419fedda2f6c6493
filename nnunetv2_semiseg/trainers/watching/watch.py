"""What the trainer calls so that a person can watch the training."""

from __future__ import annotations

from pathlib import Path

from nnunetv2.imageio.natural_image_reader_writer import NaturalImage2DIO
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunetv2_semiseg.core.batch import SemiSegBatch
from nnunetv2_semiseg.evaluation.measuring.classes import foreground_classes
from nnunetv2_semiseg.methods.step import LazyPanels
from nnunetv2_semiseg.trainers.watching.live import LiveProgress, Pace, StepValues, speed_line
from nnunetv2_semiseg.trainers.watching.picture import draw_rows, save_figure
from nnunetv2_semiseg.trainers.watching.rows import make_rows

PICTURE_FILE = "unlabeled_views.png"
"""Picture in the fold's folder, beside nnU-Net's progress.png."""


class TrainingWatch:
    """The line of progress and the picture of unlabeled images of one training; it changes nothing in it.

    Under DDP rank 0 shows its own samples, all others are silent.
    """

    def __init__(self, trainer: nnUNetTrainer, picture_every: int | None) -> None:
        """Take from a trainer, which is ready to train, how long the training is and what it is about.

        Args:
            trainer: nnU-Net's, with its data.
            picture_every: Epochs from one picture to the next, beginning with the first; None: no pictures.
        """
        self._trainer = trainer
        self._picture_every = picture_every
        self._silent = trainer.local_rank != 0
        self._pace = Pace(trainer.num_epochs, trainer.num_iterations_per_epoch)
        self._live = LiveProgress(self._pace, trainer.print_to_log_file)

    def start_epoch(self) -> None:
        """Called before the first step of an epoch."""
        self._pace.start_epoch(self._trainer.current_epoch)
        if not self._silent:
            self._live.start()

    def step(self, batch: SemiSegBatch, values: StepValues, panels: LazyPanels) -> None:
        """The losses of a step are there.

        Args:
            batch: Batch of the step.
            values: Losses and measures, detached scalars on the device.
            panels: The method's; called in few steps.
        """
        self._pace.count_step()
        if self._silent:
            return
        self._live.step(values)
        if self._is_pictured():
            self._draw(batch, panels)

    def end_epoch(self) -> None:
        """Called after the last step of an epoch."""
        if not self._silent:
            self._live.end()
            self._trainer.print_to_log_file(speed_line(self._pace))

    def _is_pictured(self) -> bool:
        """The last step of the first epoch, of every n-th from there, and of the last one."""
        every, pace = self._picture_every, self._pace
        if every is None or pace.step != pace.iterations:
            return False
        return pace.epoch % every == 0 or pace.epoch == pace.epochs - 1

    def _draw(self, batch: SemiSegBatch, panels: LazyPanels) -> None:
        """Write the picture; without one the training goes on, whatever the reason."""
        trainer = self._trainer
        title = f"{type(trainer).__name__}, epoch {self._pace.epoch}: unlabeled images of its last step"
        in_color = trainer.num_input_channels == 3 and issubclass(
            trainer.plans_manager.image_reader_writer_class, NaturalImage2DIO
        )
        row_spacing, column_spacing = trainer.configuration_manager.spacing[-2:]
        try:
            rows = make_rows(batch, panels(), in_color)
            classes = foreground_classes(trainer.dataset_json["labels"])
            figure = draw_rows(rows, classes, title, row_spacing / column_spacing)
            save_figure(figure, Path(trainer.output_folder, PICTURE_FILE))
        except Exception as error:  # a full disk or a strange name must not end days of training
            reason = str(error) or type(error).__name__
            trainer.print_to_log_file(f"WARNING: {PICTURE_FILE} was not written: {reason}")
