"""The sequences of one brain, which an MR scanner takes one after the other, on one grid."""

from __future__ import annotations

from collections.abc import Mapping

from halsted.imaging_bridge.errors import HalstedError, RegistrationError, StructureError
from halsted.imaging_bridge.patient import Patient
from halsted.imaging_bridge.preparation.bias import correct_bias
from halsted.imaging_bridge.preparation.quality import Quality
from halsted.imaging_bridge.preparation.registration import register
from halsted.imaging_bridge.preparation.transforms import bring
from halsted.imaging_bridge.volume import Volume


def register_sequences(
    images: Mapping[str, Volume], reference: str, *, bias: bool = False
) -> Patient:
    """Bring sequences rigidly onto the grid of one of them.

    Args:
        images: Volumes by name, e.g. ``t1``, ``t1c``, ``t2``, ``flair``.
        reference: The name of the one that stays; it becomes the patient's first image.
        bias: Whether to correct each one's bias field first.

    Returns:
        A patient whose images share one grid, and whose facts tell each fit's quality.

    Raises:
        StructureError: there is no image of the reference's name.
        RegistrationError: a sequence does not lie on the reference; the message names it.
    """
    if reference not in images:
        raise StructureError(
            f"there is no image named {reference!r} among {', '.join(sorted(images)) or 'none'}; "
            "choose one of these as the reference"
        )
    given = {name: correct_bias(one) if bias else one for name, one in images.items()}
    fixed = given[reference]
    brought = {reference: fixed}
    facts = {"registration reference": reference}
    for name, moving in given.items():
        if name == reference:
            continue
        try:
            found = register(fixed, moving, "rigid")
        except HalstedError as error:
            raise RegistrationError(f"{name} is not registered to {reference}: {error}") from error
        brought[name] = bring(moving, fixed, found.transform)
        facts[f"registration of {name}"] = _in_words(found.quality)
    return Patient(brought, None, "scan", facts)


def _in_words(quality: Quality) -> str:
    return (
        f"rigid; entropy correlation {quality.shared:.3f}, sharpness {quality.sharpness:.3f}, "
        f"overlap {quality.overlap:.2f}"
    )
