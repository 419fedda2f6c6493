"""Final validation of networks that were trained on a merged dataset."""

from __future__ import annotations

from pathlib import Path

from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunetv2_semiseg.data.merging.tasks import read_tasks
from nnunetv2_semiseg.evaluation.measuring.by_task import dice_lines, evaluate_by_task, write_summary


class OwnTaskValidation(nnUNetTrainer):
    """Lets a trainer's final validation count each case on its own tasks; stands before its other bases."""

    def perform_actual_validation(self, save_probabilities: bool = False) -> None:
        """nnU-Net's validation, whose predictions stay and whose summary.json is written anew.

        Args:
            save_probabilities: Also store the probabilities (``--npz``).
        """
        super().perform_actual_validation(save_probabilities)
        if self.local_rank != 0:
            return
        table = read_tasks(self.dataset_json, Path(self.plans_manager.dataset_name, "dataset.json"))
        predictions = Path(self.output_folder, "validation")
        reference = Path(self.preprocessed_dataset_folder_base, "gt_segmentations")
        summary = evaluate_by_task(predictions, reference, table, self.dataset_json)
        write_summary(summary, predictions / "summary.json")
        for task in table.tasks:
            self.logger.log_summary(f"final_val/class_{task.label}_dice", summary["mean"][task.label]["Dice"])
        self.logger.log_summary("final_val/foreground_dice", summary["foreground_mean"]["Dice"])
        self.print_to_log_file(
            f"{type(self).__name__}: nnU-Net's mean validation Dice takes unannotated structures for "
            "background; these, and summary.json, count each case on its own tasks"
        )
        for line in dice_lines(summary, table):
            self.print_to_log_file(line)
