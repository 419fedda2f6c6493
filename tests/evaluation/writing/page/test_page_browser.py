"""The page in a browser: on the screen and on paper."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from headless_browser import browse, needs_browser
from label_images import write_nifti, write_png
from PIL import Image

from nnunetv2_semiseg.evaluation.prediction_folders import evaluate
from nnunetv2_semiseg.evaluation.writing.page.page import PageSources, report_page

pytestmark = [pytest.mark.slow, needs_browser]


def test_the_page_is_drawn(tmp_path: Path) -> None:
    labels = np.zeros((16, 16), dtype=np.uint8)
    labels[4:12, 4:12] = 1
    reference, folder = (write_png(tmp_path / name, a=labels, b=labels) for name in ("true", "unet"))
    write_png(tmp_path / "images", a_0000=labels, b_0000=labels)
    dataset = {"labels": {"background": 0, "disc": 1}, "file_ending": ".png"}
    report = evaluate("Dataset502_P", dataset, reference, {"unet": folder}, num_processes=1)
    page = tmp_path / "report.html"
    page.write_text(report_page(report, PageSources(dataset, tmp_path / "images")), encoding="utf-8")

    screen, paper = tmp_path / "screen.png", tmp_path / "paper.pdf"
    browse(tmp_path / "profile", page.as_uri(), f"--screenshot={screen}", "--window-size=1366,4000")
    pixels = np.array(Image.open(screen).convert("RGB"))
    assert pixels.shape == (4000, 1366, 3)
    # the mark and box of the first model, and the contour of the truth
    for color in ([0x00, 0x72, 0xB2], [0xF0, 0xE4, 0x42]):
        assert (pixels.astype(int) - color == 0).all(axis=2).any()
    # nothing is wider than the window: its last columns are empty
    assert (pixels[:, -20:-16] == 255).all()
    browse(tmp_path / "profile", page.as_uri(), f"--print-to-pdf={paper}")
    assert paper.read_bytes().startswith(b"%PDF")


def test_a_tall_picture_is_printed_below_its_heading(tmp_path: Path) -> None:
    """Of a volume and three models; if it had no place there, the sheet with the heading would be empty."""
    volume = np.zeros((24, 24, 24), dtype=np.uint8)
    volume[6:18, 6:18, 6:18] = 1
    models = {name: write_nifti(tmp_path / name, a=volume) for name in ("one", "two", "three")}
    reference = write_nifti(tmp_path / "true", a=volume)
    write_nifti(tmp_path / "images", a_0000=volume)
    dataset = {"labels": {"background": 0, "organ": 1}, "file_ending": ".nii.gz"}
    report = evaluate("Dataset502_P", dataset, reference, models, num_processes=1)
    content = report_page(report, PageSources(dataset, tmp_path / "images"))
    before, rest = content.split("<body>")
    chapter = rest[rest.index('<section id="pictures">') : rest.index("<footer>")]
    page, paper = tmp_path / "chapter.html", tmp_path / "paper.pdf"
    page.write_text(f"{before}<body>{chapter}</body></html>", encoding="utf-8")
    browse(tmp_path / "profile", page.as_uri(), f"--print-to-pdf={paper}")
    assert paper.read_bytes().count(b"/Type /Page\n") == 1, "sheets"
