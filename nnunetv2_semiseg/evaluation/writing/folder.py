"""Writing a report as a folder that appears whole or not at all."""

from __future__ import annotations

from pathlib import Path

from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.core.files import staged_folder
from nnunetv2_semiseg.evaluation.results.report import Report, report_to_json
from nnunetv2_semiseg.evaluation.writing.frames import (
    differences_frame,
    scores_frame,
    summaries_frame,
    trainings_frame,
)
from nnunetv2_semiseg.evaluation.writing.markdown import report_markdown

JSON, MARKDOWN, PAGE = "report.json", "report.md", "report.html"
FILES = (JSON, MARKDOWN, PAGE, "scores.csv", "summary.csv", "comparisons.csv", "trainings.csv")
"""Names of the files that a report may consist of."""


def check_output(folder: Path, overwrite: bool = False) -> None:
    """Refuse a folder that a report must not replace.

    Args:
        folder: Folder for the report.
        overwrite: Whether the report may replace another one.

    Raises:
        UserError: There is a file of this name, a folder with other files, or a report to keep.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UserError(f"{folder} is a file: name a folder for the report")
    files = sorted(file.name for file in folder.iterdir())
    foreign = [name for name in files if name not in FILES]
    if foreign:
        raise UserError(
            f"{folder} has other files, for example {foreign[0]}: name a folder for the report alone"
        )
    if files and not overwrite:
        raise UserError(f"{folder} has a report: use --overwrite to replace it, or name another folder")


def write_report(report: Report, folder: Path, overwrite: bool = False, page: str = "") -> None:
    """Write a report as JSON, Markdown and CSV, and as HTML where its page is given.

    Args:
        report: Report to write.
        folder: Folder for the report; it and its parents are made.
        overwrite: Whether the report may replace another one.
        page: HTML of the page, as `report_page` makes it; empty: no page is written.

    Raises:
        UserError: There is a file of this name, a folder with other files, or a report to keep.
    """
    folder = folder.resolve()
    check_output(folder, overwrite)
    texts = {JSON: report_to_json(report), MARKDOWN: report_markdown(report), PAGE: page}
    frames = {
        "scores.csv": scores_frame(report),
        "summary.csv": summaries_frame(report),
        "comparisons.csv": differences_frame(report),
        "trainings.csv": trainings_frame(report),
    }
    with staged_folder(folder) as staging:
        for name, text in texts.items():
            if text:
                (staging / name).write_text(text, encoding="utf-8")
        for name, frame in frames.items():
            if not frame.empty:
                frame.to_csv(staging / name, index=False, lineterminator="\n")
