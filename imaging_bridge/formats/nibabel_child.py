"""Read NIfTI-2, MINC and Analyze files by nibabel; a program of `imaging_bridge.child_server`.

A request names path, image (a class of nibabel) and what: ``header``, which is answered with the
shape, the affine, the size of a voxel, and where voxels start and how many bytes one takes; or
``voxels`` (and phase, or null), which is answered with real values, the slowest axis first.
"""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]
import nibabel
import numpy as np
from numpy.typing import NDArray

_MINC_2_IMAGE = "minc-2.0/image/0/image"


class ElsewhereError(Exception):
    """The voxels of an HDF5 file lie in another file."""


def decoded(request: dict[str, Any]) -> Iterator[NDArray[Any]]:
    """What the request asks for."""
    warnings.simplefilter("ignore")
    if request["image"] == "Minc2Image":
        _check_self_contained(request["path"])
    image = getattr(nibabel, request["image"]).from_filename(request["path"])
    yield from _header(image) if request["what"] == "header" else _voxels(image, request)


def _header(image: Any) -> Iterator[NDArray[Any]]:
    start = getattr(image.header, "get_data_offset", lambda: 0)()
    yield np.array(image.shape, np.int64)
    yield np.array(image.affine, np.float64)
    yield np.array(image.header.get_zooms(), np.float64)
    yield np.array([start, image.header.get_data_dtype().itemsize], np.int64)


def _voxels(image: Any, request: dict[str, Any]) -> Iterator[NDArray[Any]]:
    phase = request["phase"]
    array = np.asarray(image.dataobj if phase is None else image.dataobj[..., phase])
    yield array if request["image"].startswith("Minc") else array.T


def _check_self_contained(path: str) -> None:
    with h5py.File(path, "r") as file:
        voxels = file[_MINC_2_IMAGE]
        is_own = not voxels.external and not voxels.is_virtual
        if not is_own or Path(voxels.file.filename) != Path(path):
            raise ElsewhereError
