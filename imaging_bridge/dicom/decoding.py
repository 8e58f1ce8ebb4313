"""Decoding compressed frames of DICOM files, in child processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from halsted.imaging_bridge import children
from halsted.imaging_bridge.child_process import Request, size_of
from halsted.imaging_bridge.errors import ScanError

_PROGRAM = Path(__file__).with_name("decoder_child.py")
# A file that is read whole is inflated, copied to its elements, and a frame is made of them.
_COPIES_OF_A_FILE = 4


@dataclass(frozen=True)
class Encoding:
    """How the frames of a file are encoded.

    Attributes:
        syntax: TransferSyntaxUID.
        start: Byte of the file at which the encapsulated pixels start; None where the whole file
            has to be read to decode them.
        options: What pydicom's decoders need to know of the image.
    """

    syntax: str
    start: int | None
    options: Mapping[str, int | str]


@dataclass(frozen=True)
class Job:
    """Frames of one file to decode.

    Attributes:
        path: The file.
        encoding: How its frames are encoded; None for a file that has to be read whole.
        frames: Indices of the frames, from 0.
        frame_bytes: Size of one decoded frame, as the header announces it.
        take: Called with the index of each frame and its array as decoded.
        file_bytes: Size of all decoded frames of the file, as the header announces it; 0 for that
            of one. Only a file that has to be read whole may take so much memory.
    """

    path: Path
    encoding: Encoding | None
    frames: Sequence[int]
    frame_bytes: int
    take: Callable[[int, NDArray[Any]], None]
    file_bytes: int = 0

    def request(self) -> Request:
        """The job as a child serves it."""
        sought = self.encoding if self.encoding and self.encoding.start is not None else None
        whole = 0 if sought else _COPIES_OF_A_FILE * self.file_bytes
        return Request(
            program=_PROGRAM,
            path=self.path,
            what={
                "frames": list(self.frames),
                "syntax": sought and sought.syntax,
                "start": sought and sought.start,
                "options": dict(sought.options) if sought else {},
            },
            arrays=len(self.frames),
            array_bytes=self.frame_bytes,
            more_bytes=size_of(self.path) + whole,
            take=lambda place, values: self.take(self.frames[place], values),
            refusal=_undecodable,
        )


def decode(jobs: Iterable[Job]) -> None:
    """Decode all jobs, several at a time.

    Raises:
        ScanError: a file cannot be decoded, crashes its decoder, or takes too long.
    """
    children.decode([job.request() for job in jobs])


def _undecodable(path: Path, reason: str) -> ScanError:
    return ScanError(
        f"{path} is compressed and cannot be decoded ({reason}), so it is damaged or in an "
        "encoding that no decoder here knows; get the file again, or decompress it where it came "
        "from (dcmdjpeg, gdcmconv --raw)"
    )
