"""ECG and sleep recordings: one way in for WFDB records and EDF files."""

from __future__ import annotations

from pathlib import Path

from halsted.imaging_bridge.errors import ScanError
from halsted.imaging_bridge.formats.edf import read_edf
from halsted.imaging_bridge.formats.wfdb_records import read_wfdb
from halsted.imaging_bridge.signals import Recording

RECORDING_BUDGET_BYTES = 1 << 30
"""Default limit on the size of a recording's samples in float32."""

RECORDING_SUFFIXES = (".hea", ".edf")
"""File name endings that are read here."""


def read_recording(path: Path | str, *, budget_bytes: int = RECORDING_BUDGET_BYTES) -> Recording:
    """Read a WFDB record, with the annotation files beside its header, or an EDF or EDF+ file.

    Nothing about the person, no date and no free text is taken from the files: of WFDB's
    annotations the symbols are kept, of EDF+ the texts that its standard lists. A
    channel whose name holds a word of what the file says about the person is ``signal 1``, ...

    Args:
        path: The header ``NAME.hea``, or a file ``NAME.edf``.
        budget_bytes: Most bytes that the samples may take as float32; checked before any is read.

    Raises:
        ScanError: a file is missing, truncated, damaged, of another format, or too large.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in RECORDING_SUFFIXES:
        raise ScanError(
            f"{path} has no suffix of a recording that is read here; pass a WFDB header (NAME.hea) "
            "or a file that ends with .edf"
        )
    if not path.is_file():
        raise ScanError(f"there is no file {path}; check the path")
    return (read_wfdb if suffix == ".hea" else read_edf)(path, budget_bytes)
