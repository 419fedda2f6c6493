"""Label maps under other values, with nnU-Net's own readers, so that all its file formats are possible."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nnunetv2.imageio.base_reader_writer import BaseReaderWriter

from nnunetv2_semiseg.core.errors import UserError
from nnunetv2_semiseg.data.conversion.volumes import decode_values


def rewrite_labels(source: Path, target: Path, codes: Mapping[int, int], reader: BaseReaderWriter) -> None:
    """Write a label map with other values on the same grid.

    Args:
        source: The label map.
        target: Where to write; its ending decides the format.
        codes: New value, up to 255, of each value.
        reader: nnU-Net's reader for ``source``, which also writes.

    Raises:
        UserError: The file cannot be read, or has a value that is not in ``codes``.
    """
    try:
        labels, properties = reader.read_seg(str(source))
    except Exception:  # readers raise whatever their libraries do
        raise UserError(f"{source}: cannot be read as a label map; mend or remove the case") from None
    reader.write_seg(decode_values(labels[0], codes, source), str(target), properties)
