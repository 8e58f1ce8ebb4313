"""Masks of pictures: what was drawn, in black and white, in layers, or as numbered instances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.errors import ScanError, StructureError
from halsted.imaging_bridge.formats.photographs import affine_of, pixels_of, same_size
from halsted.imaging_bridge.formats.pixels import PIXEL_BUDGET_BYTES, Pixels
from halsted.imaging_bridge.formats.tiff import TIFF_SUFFIXES, read_tiff_layers
from halsted.imaging_bridge.labels import LabelMap, Provenance
from halsted.imaging_bridge.volume import Volume

_JPEG_SUFFIXES = (".jpg", ".jpeg")
# Masks that were saved as JPEG have grey noise around black and white; Kvasir-SEG's authors
# (Jha et al. 2020, doi:10.1007/978-3-030-37734-2_37) cut in the middle.
_THRESHOLD = 127
_MOST_INSTANCES = 65535


def read_mask(
    path: Path | str,
    names: Sequence[str] = ("mask",),
    reference: Mapping[str, Volume] | None = None,
    *,
    provenance: Provenance = "unknown",
    budget_bytes: int = PIXEL_BUDGET_BYTES,
) -> LabelMap:
    """Read a mask of black and white, or a TIFF file of several, one page a structure.

    Args:
        path: PNG, JPEG or TIFF file. PNG and TIFF hold black and one brighter value; of JPEG,
            which blurs, a pixel brighter than 127 of 255 belongs to the structure.
        names: Of the structures, one a layer.
        reference: The picture as `read_photograph` gives it, whose grid the labels take.
        provenance: Who drew the mask, which such files do not say.
        budget_bytes: Most bytes that the pixels may take; checked before any is decoded.

    Returns:
        Labels of shape (1, y, x); value k + 1 is the k-th name.

    Raises:
        ScanError: as for `read_photograph`; or the mask is coloured, holds numbers instead of black
            and white, has another size than its picture, or as many layers as names do not exist.
        StructureError: layers overlap, which one label map cannot hold.
    """
    path = Path(path)
    if len(names) == 1 or path.suffix.lower() not in TIFF_SUFFIXES:
        layers = _only_grey(path, pixels_of(path, 0, None, budget_bytes))[np.newaxis]
    else:
        layers = read_tiff_layers(path, budget_bytes)
    if len(layers) != len(names):
        raise ScanError(
            f"{path} has {len(layers)} layers, but {len(names)} names were given; give one a layer"
        )
    masks = np.stack([_is_bright(path, layer) for layer in layers])
    _check_apart(path, masks.sum(axis=0, dtype=np.uint16))
    voxels = np.zeros((1, *masks.shape[1:]), np.uint8)
    for number, mask in enumerate(masks):
        voxels[0, mask] = number + 1
    values = {name: number + 1 for number, name in enumerate(names)}
    return LabelMap(voxels, _affine(path, voxels, reference), values, provenance)


def read_instances(
    path: Path | str,
    name: str = "nucleus",
    reference: Mapping[str, Volume] | None = None,
    *,
    provenance: Provenance = "unknown",
    budget_bytes: int = PIXEL_BUDGET_BYTES,
) -> LabelMap:
    """Read things of one kind, each a value of its own, as ``<name>_1``, ``<name>_2`` and so on.

    Args:
        path: A picture whose grey values number the instances; or a folder of black and white
            pictures, one an instance, taken in the order of their names.
        name: Of the kind.
        reference: The picture as `read_photograph` gives it, whose grid the labels take.
        provenance: Who drew them.
        budget_bytes: Most bytes that a picture may take; checked before any is decoded.

    Raises:
        ScanError: as for `read_mask`, or the folder holds no picture.
        StructureError: instances overlap.
    """
    path = Path(path)
    if path.is_dir():
        voxels = _from_folder(path, budget_bytes)
    else:
        if path.suffix.lower() in _JPEG_SUFFIXES:
            raise ScanError(
                f"{path} is a JPEG, which changes the numbers of instances; pass a PNG or TIFF"
            )
        voxels = _only_grey(path, pixels_of(path, 0, None, budget_bytes))[np.newaxis]
    values = [int(value) for value in np.unique(voxels) if value]
    names = {f"{name}_{value}": value for value in values}
    return LabelMap(voxels, _affine(path, voxels, reference), names, provenance)


def _from_folder(folder: Path, budget_bytes: int) -> NDArray[Any]:
    files = [one for one in sorted(folder.iterdir()) if one.suffix.lower() in (".png", ".tif")]
    if not 0 < len(files) <= _MOST_INSTANCES:
        raise ScanError(
            f"{folder} holds {len(files)} masks (.png or .tif), but 1 to {_MOST_INSTANCES} were "
            "expected, one an instance; pass the folder of masks"
        )
    voxels: NDArray[Any] | None = None
    for number, file in enumerate(files):
        mask = _is_bright(file, _only_grey(file, pixels_of(file, 0, None, budget_bytes)))
        if voxels is None:
            voxels = np.zeros((1, *mask.shape), np.uint8 if len(files) < 256 else np.uint16)
        if voxels.shape[1:] != mask.shape:
            raise ScanError(
                f"{file} has {mask.shape[0]} x {mask.shape[1]} pixels, but those before it "
                f"{voxels.shape[1]} x {voxels.shape[2]}; keep one picture's masks in a folder"
            )
        _check_apart(file, (voxels[0] > 0).astype(np.uint16) + mask)
        voxels[0, mask] = number + 1
    assert voxels is not None
    return voxels


def _only_grey(path: Path, pixels: Pixels) -> NDArray[Any]:
    """(y, x) of a picture whose channels are all alike."""
    samples = pixels.samples
    if (samples != samples[..., :1]).any():
        raise ScanError(
            f"{path} is coloured, but a mask of black and white was expected; export it so, or one "
            "mask a colour"
        )
    return samples[..., 0]


def _is_bright(path: Path, grey: NDArray[Any]) -> NDArray[np.bool_]:
    """Which pixels belong to the structure.

    Raises:
        ScanError: the values are numbers of something, so that no threshold would be right.
    """
    brightest, full = int(grey.max()), np.iinfo(grey.dtype).max
    if brightest <= 1:
        return np.asarray(grey == 1)
    if brightest <= full // 2:
        raise ScanError(
            f"{path} is brightest at {brightest} of {full}, so it holds numbers and not black and "
            "white; read it with read_instances"
        )
    if path.suffix.lower() not in _JPEG_SUFFIXES and not np.isin(grey, (0, brightest)).all():
        raise ScanError(
            f"{path} holds values between black (0) and white ({brightest}), so that no threshold "
            "is sure; read numbered things with read_instances, or save it in black and white"
        )
    return np.asarray(grey > _THRESHOLD * (full // 255))


def _check_apart(path: Path, count: NDArray[np.uint16]) -> None:
    shared = int(np.count_nonzero(count > 1))
    if shared:
        raise StructureError(
            f"{shared} pixels belong to several structures at {path}, but in one label map a pixel "
            "belongs to one; read them as masks of their own"
        )


def _affine(
    path: Path, voxels: NDArray[Any], reference: Mapping[str, Volume] | None
) -> NDArray[np.float64]:
    if reference is not None:
        return same_size(path, voxels.shape[1:], reference).affine
    return affine_of(Pixels(voxels[0]))
