"""Colours of structures in exports and pictures."""

from __future__ import annotations

from halsted.imaging_bridge.structures import Role, role_of

RGB = tuple[int, int, int]

# 3D Slicer's colours of the general anatomy, as far as the roles go.
_OF_ROLE: dict[Role, RGB] = {
    "lesion": (255, 214, 10),
    "vessel": (216, 101, 79),
    "bone": (241, 214, 145),
    "lung": (120, 190, 235),
    "body": (177, 122, 101),
}
# Okabe and Ito (2008): told apart by people who see colours differently, too.
_OTHERS: tuple[RGB, ...] = (
    (0, 158, 115),
    (230, 159, 0),
    (86, 180, 233),
    (204, 121, 167),
    (213, 94, 0),
    (0, 114, 178),
    (240, 228, 66),
    # and Tol's light scheme (2021), for the same eyes
    (170, 170, 0),
    (238, 136, 102),
    (255, 170, 187),
    (153, 221, 255),
    (68, 187, 153),
    (187, 204, 51),
)


def colour_of(name: str, number: int) -> RGB:
    """Red, green and blue, 0 to 255, of a structure that is the `number`-th of its scan."""
    return _OF_ROLE.get(role_of(name), _OTHERS[number % len(_OTHERS)])
