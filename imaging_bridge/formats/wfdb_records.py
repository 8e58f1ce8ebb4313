"""Records of PhysioNet's WFDB: a text header, binary signal files, annotation files.

Formats: https://physionet.org/physiotools/wag/header-5.htm, signal-5.htm and annot-5.htm. The wfdb
package trusts its input: it reads as many samples as the header announces, from any path that the
header names, and checks no sum. So that is done here.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from halsted.imaging_bridge.errors import ScanError
from halsted.imaging_bridge.formats.channel_names import channel_names
from halsted.imaging_bridge.formats.extras import extra
from halsted.imaging_bridge.formats.wfdb_annotations import ANNOTATORS, read_annotations
from halsted.imaging_bridge.signals import Annotations, Recording, Signal

# Bits of a sample in each signal format; others are compressed or rare.
_BITS = {"8": 8, "16": 16, "24": 24, "32": 32, "61": 16, "80": 8, "160": 16, "212": 12} | {
    "310": 32 / 3,
    "311": 32 / 3,
}
# The first line that is no comment: name, number of signals, samples a second and so on.
_RECORD_LINE = re.compile(
    r"\A(?:\s*(?:#.*)?\n)*\s*[^\s#]+\s+(?P<channels>\d+)\s+(?P<rate>\d[\d.eE+]*)(?=[/\s])"
)
_MOST_HEADER_BYTES = 1 << 20


def read_wfdb(path: Path, budget_bytes: int) -> Recording:
    """Read a record; one without its signal files is its annotations alone.

    A signal's name that holds a word of the header's comments, where WFDB has the person's age, sex
    and whatever was noted, is replaced; see `channel_names`.

    Raises:
        ScanError: a file is missing, truncated, damaged, of another format, or too large.
    """
    header = _header(path)
    annotations = _annotations(path, float(header.fs))
    missing = sorted({name for name in header.file_name or () if not path.with_name(name).exists()})
    if missing and annotations:
        return Recording({}, annotations)
    if missing:
        raise ScanError(
            f"the signal file {missing[0]} that {path} names is not beside it, and there are no "
            "annotations either; get the whole record"
        )
    return Recording(_signals(path, header, budget_bytes), annotations)


def _header(path: Path) -> Any:
    with extra("formats"):
        import wfdb
    if "::" in str(path) or "://" in str(path):  # which wfdb would take for a web address
        raise ScanError(f"{path} has '::' or '://' in its path; move the record elsewhere")
    if path.stat().st_size > _MOST_HEADER_BYTES:
        raise ScanError(
            f"{path} has {path.stat().st_size} bytes, far more than a WFDB header; pass a header"
        )
    try:
        # wfdb takes 250 Hz for a rate that it cannot parse.
        stated = _RECORD_LINE.search(path.read_text(encoding="latin-1"))
        header = wfdb.rdheader(str(path.absolute().with_suffix("")))
        is_whole = (
            stated is not None
            and float(stated["rate"]) == header.fs > 0
            and int(stated["channels"]) == header.n_sig == len(header.file_name or ())
        )
    except Exception as error:  # whatever the parser makes of bytes that nobody has vouched for
        raise _no_header(path) from error
    if not isinstance(header, wfdb.Record):
        raise ScanError(
            f"{path} is a record of several segments, of which single ones are read here; pass a "
            "segment's header"
        )
    if not is_whole:
        raise _no_header(path)
    for name in header.file_name or ():
        if Path(name).name != name or name in ("", ".", "..", "-", "~"):
            raise ScanError(
                f"{path} names a signal file that is not beside it (a path, not a name); put the "
                "files into one folder and name them there"
            )
    return header


def _no_header(path: Path) -> ScanError:
    return ScanError(
        f"{path} is no WFDB header, or a damaged one: it does not give a sampling rate and a line "
        "for each signal; get the file again"
    )


def _signals(path: Path, header: Any, budget_bytes: int) -> dict[str, Signal]:
    if not header.n_sig:
        return {}
    length = _check_sizes(path, header)
    frames = [count or 1 for count in header.samps_per_frame]
    _check_budget(path, length * sum(frames) * 4, budget_bytes)
    record = _read(path)
    for number, stated in enumerate(header.checksum):
        if stated is not None and (int(record.e_d_signal[number].sum()) - stated) % 65536:
            raise ScanError(
                f"{path} gives checksums that its signal files do not have; they are damaged or "
                "not of this record, so get it again"
            )
    physical = _physical(path, record)
    stated = [name or "signal" for name in header.sig_name]
    names = _unique(channel_names(stated, " ".join(header.comments or ())))
    return {
        name: Signal(physical[k].astype(np.float32), header.fs * frames[k], header.units[k] or "1")
        for k, name in enumerate(names)
    }


def _physical(path: Path, record: Any) -> Any:
    """The samples of each signal in its unit."""
    try:
        return record.dac(expanded=True, return_res=32)
    except Exception as error:  # a format that the header names but nobody knows
        raise _not_as_described(path) from error


def _read(path: Path) -> Any:
    import wfdb

    stem = str(path.absolute().with_suffix(""))
    try:
        return wfdb.rdrecord(stem, physical=False, smooth_frames=False)
    except Exception as error:
        raise _not_as_described(path) from error


def _check_sizes(path: Path, header: Any) -> int:
    """Frames in the record, having made sure that every signal file holds as many."""
    length = header.sig_len
    for name in dict.fromkeys(header.file_name):
        channels = [k for k, other in enumerate(header.file_name) if other == name]
        form = header.fmt[channels[0]]
        if form not in _BITS:
            raise ScanError(
                f"{path} has signals in WFDB format {str(form)[:8]}, which is not read here; "
                "convert the record to format 16 with WFDB's xform"
            )
        offset = header.byte_offset[channels[0]] or 0
        bits = _BITS[form] * sum(header.samps_per_frame[k] or 1 for k in channels)
        present = path.with_name(name).stat().st_size - offset
        if not length:
            length = int(present * 8 // bits)
        if length <= 0 or present < math.floor(length * bits / 8):
            raise ScanError(
                f"the signal file {name} beside {path} is truncated: it holds {present} bytes of "
                f"samples, but {math.ceil(length * bits / 8)} were expected; get the record again"
            )
    return int(length)


def _check_budget(path: Path, needed: int, budget_bytes: int) -> None:
    if needed > budget_bytes:
        raise ScanError(
            f"the samples of {path} take {needed / 2**20:.0f} MiB, over the budget of "
            f"{budget_bytes / 2**20:.0f} MiB; cut the recording into parts"
        )


def _unique(names: list[str]) -> list[str]:
    """The same names, numbered where one comes again."""
    return [
        f"{name}_{names[:k].count(name) + 1}" if name in names[:k] else name
        for k, name in enumerate(names)
    ]


def _annotations(path: Path, rate_hz: float) -> dict[str, Annotations]:
    beside = {ending: path.with_suffix(f".{ending}") for ending in ANNOTATORS}
    return {
        ending: read_annotations(file, rate_hz) for ending, file in beside.items() if file.is_file()
    }


def _not_as_described(path: Path) -> ScanError:
    return ScanError(
        f"the signal files of {path} cannot be read as its header describes them; get the "
        "record again"
    )
