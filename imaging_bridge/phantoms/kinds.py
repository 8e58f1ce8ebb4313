"""Every kind of phantom patient by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType

from halsted.imaging_bridge.errors import HalstedError
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.phantoms.chance import check_seed

MOST_FRAMES = 1000
"""As many endoscopic pictures as are made at a time of one colon."""

_SEEDS = 2**63


@dataclass(frozen=True)
class Kind:
    """A kind of phantom; called with a seed, it makes one.

    Attributes:
        module: Of this package, imported only when a phantom is made.
        function: Takes the seed.
        gives: What its patients have, in a few words.
    """

    module: str
    function: str
    gives: str

    def __call__(self, seed: int) -> Patient:
        """The phantom of a seed."""
        module = import_module(f"halsted.imaging_bridge.phantoms.{self.module}")
        made: Patient = getattr(module, self.function)(seed)
        return made


_KINDS = {
    "brain": Kind("brain", "brain", "MR with contrast, T1, T2 and FLAIR; a glioma with oedema"),
    "thorax": Kind("trunk_scans", "thorax", "chest CT with a nodule of the lung"),
    "abdomen": Kind("trunk_scans", "abdomen", "abdomen CT with a lesion of the liver"),
    "colon": Kind("colon", "colon", "CT of an air-filled colon with polyps"),
    "spine": Kind("spine", "spine", "CT of the lumbar spine"),
    "vessels": Kind("vessels", "vessels", "CT angiography of a tree of arteries"),
    "skin": Kind("skin", "skin", "dermoscopic picture and depth of a lesion, benign or malignant"),
    "slide": Kind("slide", "slide", "H&E picture with nuclei as instances of several classes"),
    "sleep": Kind("sleep", "sleep", "a night of ECG, airflow and oximetry with apneas"),
}
KINDS: Mapping[str, Callable[[int], Patient]] = MappingProxyType(_KINDS)
"""What makes the phantom of a seed, by kind."""


def make_phantom(kind: str, seed: int) -> Patient:
    """The phantom of a kind and a seed: the same, bit for bit, for the same two on one machine.

    Args:
        kind: One of `KINDS`.
        seed: From 0 to 2 to the power of 63, less one.

    Raises:
        HalstedError: there is no such kind, or the seed is none of these.
    """
    check_phantom(kind, seed)
    return KINDS[kind](seed)


def check_phantom(kind: str, seed: int) -> None:
    """Refuse a kind that does not exist, and a seed that is negative or of more than 63 bits.

    Raises:
        HalstedError: it is one of these.
    """
    if kind not in KINDS:
        raise HalstedError(
            f"there is no kind of phantom named {kind!r}; choose one of {', '.join(KINDS)}"
        )
    check_seed(seed)
    if seed >= _SEEDS:
        raise HalstedError(
            f"the seed of a phantom has {seed.bit_length()} bits, but 63 were expected at most; "
            f"pass a whole number below {_SEEDS}"
        )


def what_it_gives() -> dict[str, str]:
    """A line on what each kind has."""
    return {name: kind.gives for name, kind in _KINDS.items()}
