"""From a patient's images to the arrays that a network sees, and from its answer back.

Volumes go to one orientation and a cubic grid, pictures to a square or keep their pixels. Values
are brought to a common scale: CT through two fixed windows, MR by mean and spread of what is not
air, pictures from 0 to 255 or, stretched, from their darkest to their brightest, depth by its
distance from the median.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from halsted.agents.errors import PerceptionError
from halsted.agents.perception.specification import Network
from halsted.imaging_bridge import Grid, LabelMap, Volume
from halsted.imaging_bridge.preparation.canonical import reorient
from halsted.imaging_bridge.preparation.intensity import clip_percentiles, foreground, standardise
from halsted.imaging_bridge.preparation.resampling import (
    Target,
    resample,
    resample_labels,
    target_with_spacing,
)
from halsted.imaging_bridge.structures import names_with_role

_WIDE_HU = (0.0, 500.0)
_SOFT_HU = (60.0, 120.0)
"""Mean and spread of the windows of a CT: all of it, and soft tissue."""
_CLIP = 2.5
_UNTOLD = {2: ("OT", "XC"), 3: ("OT",)}
"""Modalities of files that do not say where they come from."""
_COLOUR = (127.5, 64.0)
_DEPTH_SPREAD_M = 0.1


@dataclass(frozen=True, eq=False)
class Framed:
    """Images as a network sees them.

    Attributes:
        array: float32 (input, z, y, x), or (input, y, x) of a picture.
        grid: Where the array lies; of a picture its own pixels' grid, before any resizing.
        original: The grid of the first image as it was given.
    """

    array: NDArray[np.float32]
    grid: Target
    original: Grid


def check_images(network: Network, images: Mapping[str, Volume]) -> None:
    """Refuse images that the network was not made for.

    Raises:
        PerceptionError: an image that it needs is missing, or one is of another modality or shape.
    """
    missing = [name for name in network.needed if name not in images]
    if missing:
        raise PerceptionError(
            f"the network {network.name} needs the images {', '.join(network.needed)}, but this "
            f"patient has {', '.join(images) or 'none'}; name them so, or choose another network"
        )
    for name in network.channels:
        if name not in images:
            continue
        volume = images[name]
        if volume.modality not in (*network.modalities, *_UNTOLD[network.dimensions]):
            raise PerceptionError(
                f"the network {network.name} was made for {' or '.join(network.modalities)}, but "
                f"the image {name!r} is {volume.modality}; choose another network"
            )
        if network.dimensions == 2 and volume.shape[0] != 1:
            raise PerceptionError(
                f"the network {network.name} looks at pictures, but the image {name!r} has "
                f"{volume.shape[0]} slices; pass a picture"
            )
        if network.dimensions == 3 and not volume.spacing_known:
            raise PerceptionError(
                f"the image {name!r} does not say how large its voxels are, which the network "
                f"{network.name} needs to know; pass one with its spacing"
            )
        if network.dimensions == 2 and name != "depth" and volume.voxels.dtype.kind != "u":
            raise PerceptionError(
                f"the image {name!r} holds {volume.voxels.dtype} numbers, but a picture of 8 or 16 "
                "bits was expected; convert it"
            )
        if network.intensity == "ct" and volume.unit != "HU":
            raise PerceptionError(
                f"the network {network.name} needs a CT in HU, but the unit of {name!r} is "
                f"{volume.unit!r}; pass the CT as its scanner wrote it"
            )


def named_for(network: Network, images: Mapping[str, Volume]) -> Mapping[str, Volume]:
    """The images under the names that the network gives them.

    A scan that is alone takes the name of the only image that is needed; a grey picture is taken
    as equal parts of red, green and blue.
    """
    if set(network.needed) <= set(images):
        return images
    if len(images) == 1:
        ((name, only),) = images.items()
        if len(network.needed) == 1 and name not in network.channels:
            return {network.needed[0]: only}
        if name == "grey":
            return dict.fromkeys(network.needed, only)
    return images


def frame(network: Network, images: Mapping[str, Volume]) -> Framed:
    """The images as the network sees them.

    Raises:
        PerceptionError: see `check_images`.
        GeometryError: the images cannot be brought to a cubic grid.
    """
    images = named_for(network, images)
    check_images(network, images)
    first = images[network.needed[0]]
    if network.dimensions == 2:
        return _framed_picture(network, images, first)
    grid = target_with_spacing(reorient(first), network.spacing_mm)
    arrays: list[NDArray[np.float32]] = []
    for name in network.channels:
        if name in images:
            arrays += _scaled_volume(network, resample(reorient(images[name]), grid))
        else:
            arrays += [np.zeros(grid.shape, np.float32)] * (network.inputs // len(network.channels))
    return Framed(np.stack(arrays), grid, first)


def framed_target(
    network: Network, labels: LabelMap, onto: Target | None = None
) -> NDArray[np.uint8]:
    """(z, y, x) or (y, x): the true class of every voxel that the network sees.

    Args:
        network: What it sees.
        labels: The truth.
        onto: Grid of the framed images; None for that of the labels' own field of view.
    """
    classes = LabelMap(
        network.target(labels), labels.affine, {str(value): value for value in range(1, 256)}
    )
    if network.dimensions == 3:
        upright = reorient(classes)
        grid = onto or target_with_spacing(upright, network.spacing_mm)
        return np.asarray(resample_labels(upright, grid).voxels, np.uint8)
    picture = classes.voxels[0]
    if network.size and picture.shape != (network.size, network.size):
        rows, columns = (
            (np.arange(network.size) + 0.5) * count / network.size for count in picture.shape
        )
        picture = picture[np.ix_(rows.astype(int), columns.astype(int))]
    return np.asarray(picture, np.uint8)


def lesion_mask(network: Network, labels: LabelMap) -> NDArray[np.bool_]:
    """(y, x) pixels of any lesion, as the network sees the picture."""
    mask = labels.mask(*names_with_role(labels.names, "lesion"))
    only = LabelMap(mask.astype(np.uint8), labels.affine, {"lesion": 1})
    seen = replace(network, classes={"lesion": "lesion"}, task="segmentation")
    return framed_target(seen, only) > 0


def onto_original(framed: Framed, array: NDArray[np.float32]) -> NDArray[np.float32]:
    """(z, y, x) values of the original grid's voxels for one array that the network gave."""
    if array.ndim == 3:
        volume = Volume(array, framed.grid.affine)
        return np.asarray(resample(volume, framed.original, fill=0.0, antialias=False).voxels)
    shape = framed.original.shape[1:]
    if array.shape == shape:
        return array[None]
    resized = torch.nn.functional.interpolate(
        torch.from_numpy(array)[None, None], shape, mode="bilinear", antialias=True
    )
    return np.asarray(resized[0])


def geometry_of(network: Network, original: Grid) -> NDArray[np.float64]:
    """Logarithms of spacing and extent, mm, of a scan; of a picture that of its shape only.

    How many pixels a picture has says nothing where it is brought to one size.
    """
    if network.dimensions == 2:
        rows, columns = original.shape[1:]
        return np.log([rows / columns])
    extent = original.spacing * original.shape
    order = np.argmax(np.abs(original.direction), axis=0)  # which of x, y, z each axis runs along
    along = np.argsort(order)
    return np.asarray(np.log(np.concatenate([original.spacing[along], extent[along]])))


def _scaled_volume(network: Network, volume: Volume) -> list[NDArray[np.float32]]:
    if network.intensity == "ct":
        return [
            np.clip((volume.voxels - mean) / spread, -_CLIP, _CLIP).astype(np.float32)
            for mean, spread in (_WIDE_HU, _SOFT_HU)
        ]
    mask = foreground(volume)
    if not mask.any() or np.ptp(volume.voxels[mask]) == 0:
        return [np.zeros(volume.shape, np.float32)]
    scaled = standardise(clip_percentiles(volume, 0.5, 99.8, mask), mask)
    return [np.asarray(scaled.voxels, np.float32)]


def _framed_picture(network: Network, images: Mapping[str, Volume], first: Volume) -> Framed:
    arrays = []
    for name in network.channels:
        if name not in images:
            arrays.append(np.zeros(first.shape[1:], np.float32))
            continue
        picture = images[name].voxels[0].astype(np.float32)
        if picture.shape != first.shape[1:]:
            raise PerceptionError(
                f"the image {name!r} has {picture.shape[0]} x {picture.shape[1]} pixels, but "
                f"{network.needed[0]!r} {first.shape[1]} x {first.shape[2]}; pass one picture"
            )
        if name == "depth":
            arrays.append(np.clip((picture - np.median(picture)) / _DEPTH_SPREAD_M, -2.0, 2.0))
        else:
            full = 255.0 if images[name].voxels.dtype != np.uint16 else 65535.0
            arrays.append((picture * (255.0 / full) - _COLOUR[0]) / _COLOUR[1])
    array = np.stack(arrays).astype(np.float32)
    if network.intensity == "stretched":
        low, high = np.percentile(array, (1.0, 99.5))
        array = ((array - low) * np.float32(4.0 / max(high - low, 1e-3)) - 2.0).astype(np.float32)
    if network.size and array.shape[1:] != (network.size, network.size):
        resized = torch.nn.functional.interpolate(
            torch.from_numpy(array)[None],
            (network.size, network.size),
            mode="bilinear",
            antialias=True,
        )
        array = np.asarray(resized[0])
    return Framed(array, Target(first.shape, first.affine), first)
