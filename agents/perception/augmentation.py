"""Windows of examples, changed at random as scanners, cameras and people differ; by MONAI."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from monai.transforms.compose import Compose
from monai.transforms.intensity.dictionary import (
    RandAdjustContrastd,
    RandGaussianNoised,
    RandGaussianSmoothd,
    RandScaleIntensityd,
    RandShiftIntensityd,
)
from monai.transforms.spatial.dictionary import (
    RandAffined,
    RandFlipd,
    RandSimulateLowResolutiond,
)
from numpy.typing import NDArray

from halsted.agents.perception.apnea import MINUTE
from halsted.agents.perception.examples import Example
from halsted.agents.perception.specification import Network

_MOST_SEED = 2**31
_UPSAMPLE = {2: "bilinear", 3: "trilinear"}
_BACKGROUND_SHARE = 0.15


def augmentation(network: Network) -> Compose:
    """The random changes of windows with the keys ``image`` and ``target``."""
    keys: Sequence[Hashable] = ("image",) if network.task == "diagnosis" else ("image", "target")
    if network.dimensions == 1:
        return _changes_of_series()
    turn = np.deg2rad(15.0) if network.dimensions == 3 else np.deg2rad(30.0)
    flips = [RandFlipd(keys, prob=0.5, spatial_axis=axis) for axis in network.mirrored]
    return Compose(
        [
            *flips,
            RandAffined(
                keys,
                prob=0.5,
                rotate_range=(turn,) * (3 if network.dimensions == 3 else 1),
                scale_range=(0.15,) * network.dimensions,
                mode=("bilinear", "nearest")[: len(keys)],
                padding_mode="border",
            ),
            RandSimulateLowResolutiond(
                "image",
                prob=0.2,
                zoom_range=(0.4, 1.0),
                upsample_mode=_UPSAMPLE[network.dimensions],
            ),
            RandGaussianSmoothd("image", (0.3, 1.0), (0.3, 1.0), (0.3, 1.0), prob=0.2),
            RandAdjustContrastd("image", prob=0.2, gamma=(0.7, 1.5), retain_stats=True),
            RandScaleIntensityd("image", 0.2, prob=0.5, channel_wise=True),
            RandShiftIntensityd("image", 0.2, prob=0.5, channel_wise=True),
            RandGaussianNoised("image", prob=0.4, std=0.15),
        ]
    )


def _changes_of_series() -> Compose:
    return Compose(
        [
            RandScaleIntensityd("image", 0.4, prob=0.8, channel_wise=True),
            RandGaussianNoised("image", prob=0.5, std=0.2),
        ]
    )


class _Places(NamedTuple):
    """Where windows may be centred: flat indices of voxels, an array a class."""

    background: list[NDArray[np.int64]]
    others: list[NDArray[np.int64]]
    lesions: list[NDArray[np.int64]]


class Windows:
    """Batches of windows. A batch follows from seed and step alone, so training can resume.

    Attributes:
        patch: Size of a window; the network's, unless memory forbids.
    """

    def __init__(
        self, network: Network, examples: Sequence[Example], seed: int, augmented: bool = True
    ) -> None:
        """Take note of the examples.

        Args:
            network: What is learned.
            examples: To draw from.
            seed: Of all chance.
            augmented: Whether to change the windows at random.
        """
        self._network, self._examples, self._seed = network, examples, seed
        self.patch = network.patch
        self._change = augmentation(network) if augmented else None
        self._places = [_places(network, one.target) for one in examples]

    def batch(self, step: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Images (size, input, *space), float32, and targets (size, target, *space), uint8."""
        rng = np.random.default_rng([self._seed, step])
        drawn = [self._window(rng) for _ in range(size)]
        return tuple(torch.stack(part) for part in zip(*drawn, strict=True))  # type: ignore[return-value]

    def _window(self, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        number = int(rng.integers(len(self._examples)))
        example = self._examples[number]
        image, target = np.asarray(example.image), target_of(self._network, example)
        if not self._network.size:
            low = _corner(
                rng, self._places[number], self._network.lesion_share, target.shape[1:], self.patch
            )
            image, target = (_cut(array, low, self.patch) for array in (image, target))
        window: dict[str, Any] = {
            "image": torch.tensor(self._without_optional(rng, image)),
            "target": torch.tensor(target),
        }
        if self._change is not None:
            self._change.set_random_state(int(rng.integers(_MOST_SEED)))
            window = self._change(window)
        return (
            torch.as_tensor(window["image"]).float(),
            torch.as_tensor(window["target"]).to(torch.uint8),
        )

    def _without_optional(
        self, rng: np.random.Generator, image: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Images that a scan may lack are left out at times."""
        network = self._network
        optional = [name for name in network.channels if name not in network.needed]
        left_out = [name for name in optional if rng.random() < 0.3]
        if not left_out:
            return image
        image = image.copy()
        for name in left_out:
            image[network.channels.index(name)] = 0.0
        return image


def target_of(network: Network, example: Example) -> NDArray[np.uint8]:
    """(target, *space): the class; of instances also what is inside and border."""
    if network.task != "instances":
        return np.asarray(example.target)[None]
    from halsted.agents.perception.nuclei import instance_target

    return instance_target(example)


def _places(network: Network, target: NDArray[np.uint8]) -> _Places:
    """Flat indices of some voxels of background, of other classes, and of lesions, by class."""
    flat = np.asarray(target).ravel()
    order = np.argsort(flat, kind="stable")
    values, starts = np.unique(flat[order], return_index=True)
    groups = dict(zip(values.tolist(), np.split(order, starts[1:]), strict=True))
    thinned = {value: group[:: max(1, len(group) // 5000)] for value, group in groups.items()}
    lesions = {network.values[name] for name in network.lesions}
    return _Places(
        [thinned[0]] if 0 in thinned else [],
        [group for value, group in thinned.items() if value and value not in lesions],
        [group for value, group in thinned.items() if value in lesions],
    )


def _corner(
    rng: np.random.Generator,
    places: _Places,
    lesion_share: float,
    shape: tuple[int, ...],
    patch: Sequence[int],
) -> list[int]:
    """First index of a window about a voxel that is drawn, lesions often."""
    kinds = [(places.background, _BACKGROUND_SHARE), (places.lesions, lesion_share)]
    kinds.append((places.others, max(0.1, 1.0 - _BACKGROUND_SHARE - lesion_share)))
    odds = np.array([share if groups else 0.0 for groups, share in kinds])
    groups = kinds[int(rng.choice(len(kinds), p=odds / odds.sum()))][0]
    group = groups[int(rng.integers(len(groups)))]
    centre = np.unravel_index(int(group[int(rng.integers(len(group)))]), shape)
    shift = [int(rng.integers(-edge // 4, edge // 4 + 1)) for edge in patch]
    if len(patch) == 1:  # recordings are cut at whole minutes
        centre, shift = (centre[0] // MINUTE * MINUTE,), [shift[0] // MINUTE * MINUTE]
    return [
        int(np.clip(c + s - edge // 2, 0, max(0, count - edge)))
        for c, s, edge, count in zip(centre, shift, patch, shape, strict=True)
    ]


def _cut(array: NDArray[Any], low: Sequence[int], patch: Sequence[int]) -> NDArray[Any]:
    """The window of this size, padded by its border where the image is smaller."""
    window = array[(slice(None), *(slice(a, a + edge) for a, edge in zip(low, patch, strict=True)))]
    short = [(0, edge - count) for edge, count in zip(patch, window.shape[1:], strict=True)]
    return np.pad(window, [(0, 0), *short], mode="edge")
