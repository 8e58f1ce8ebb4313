"""Decode compressed DICOM frames; a program of `imaging_bridge.child_server`.

A request names path, frames (indices), syntax, start (byte of the file at which the encapsulated
pixels start, or null) and options (of pydicom's decoders).
"""

from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.pixels.decoders.base import Decoder, get_decoder
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import UID


def decoded(request: dict[str, Any]) -> Iterator[NDArray[Any]]:
    """The frames, in the order of the request."""
    if request["start"] is None:
        yield from _of_dataset(request["path"], request["frames"])
        return
    decoder = get_decoder(UID(request["syntax"]))
    # pylibjpeg's decoders are the fastest of those that are here; pydicom tries the rest.
    plugins = ["pylibjpeg"] if "pylibjpeg" in decoder.available_plugins else []
    done = 0
    for plugin in (*plugins, ""):
        try:
            for frame in _encapsulated(request, decoder, plugin, request["frames"][done:]):
                done += 1
                yield frame
            return
        except Exception:
            if not plugin:
                raise


def _encapsulated(
    request: dict[str, Any], decoder: Decoder, plugin: str, frames: list[int]
) -> Iterator[NDArray[Any]]:
    with open(request["path"], "rb") as file:
        file.seek(request["start"])
        arrays = decoder.iter_array(
            file, indices=frames, decoding_plugin=plugin, **request["options"]
        )
        for frame, _ in arrays:
            yield frame


def _of_dataset(path: str, frames: list[int]) -> Iterator[NDArray[Any]]:
    """Frames whose file has to be read whole: deflated, with a palette, or in colour."""
    dataset = dcmread(path)
    for frame in iter_pixels(dataset, indices=frames):
        if dataset.PhotometricInterpretation == "PALETTE COLOR":
            frame = apply_color_lut(frame, dataset)
        yield frame
