"""Pictures from inside a colon, as a colonoscope takes them.

The light sits at the camera, so that the brightness of matt mucosa falls with the square of the
distance and with the cosine of the angle at which the light strikes, and wet mucosa glints where it
faces the camera. Colours, vessels, residue and the camera's faults are typical of public sets of
such pictures; no exact source is claimed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from halsted.imaging_bridge.phantoms.colon_anatomy import Colon, Floats
from halsted.imaging_bridge.phantoms.colon_field import gap, trace
from halsted.imaging_bridge.phantoms.textures import (
    Picture,
    as_bytes,
    blur,
    cloud,
    mesh,
    ridges,
    sample,
)

SIZE = 256
_EVERY = 4  # pixels between the rays that find out how far all others are free
_PIXELS_A_MM = 5.0  # of the textures that lie on the mucosa
_ATTEMPTS = 40


@dataclass(frozen=True, eq=False)
class View:
    """Where a colonoscope is and looks.

    Attributes:
        index: Point of the centreline next to it.
        eye: (3,) mm, LPS.
        axes: (3, 3) rows: unit vectors to the picture's right, downwards, and ahead.
        half_angle: Between ahead and the middle of the picture's sides, radians; directions are
            as far from the middle as the angle is wide (an equidistant fish-eye lens).
    """

    index: int
    eye: Floats
    axes: Floats
    half_angle: float


@dataclass(frozen=True, eq=False)
class Scene:
    """What each pixel's ray meets; arrays (y, x).

    Attributes:
        polyp: Number of the polyp it meets, negative for none.
        far: Distance, mm.
        facing: Cosine between the surface's normal and the way back to the camera.
        along, around: Where that is along the centreline and around it, mm; on a polyp or a blind
            end of the lumen, to the right and downwards in the view.
    """

    polyp: NDArray[np.int64]
    far: Picture
    facing: Picture
    along: Picture
    around: Picture


def draw_view(rng: np.random.Generator, colon: Colon) -> View:
    """A view on a polyp, mostly, or along the lumen wherever that leads."""
    for _ in range(_ATTEMPTS):
        aimed = rng.random() < 0.8
        number = int(rng.integers(len(colon.places)))
        view = _on_polyp(rng, colon, number) if aimed else _along(rng, colon)
        x, y, z = view.eye
        if gap(colon.lumen, colon.polyps, x, y, z, view.index)[0] < 4.0:
            continue
        if not aimed or _sees(colon, view, number):
            break
    return view


def directions(view: View, size: int = SIZE) -> Floats:
    """Unit vectors (size, size, 3) of the pixels' rays, LPS."""
    offset = (np.arange(size) + 0.5) * (2.0 / size) - 1.0
    down, across = np.meshgrid(offset, offset, indexing="ij")
    angle = np.hypot(down, across) * view.half_angle
    scale = view.half_angle * np.sinc(angle / np.pi)
    local = np.stack([across * scale, down * scale, np.cos(angle)], axis=-1)
    return np.asarray(local @ view.axes, dtype=np.float64)


def look(colon: Colon, view: View) -> Scene:
    """What is there to see."""
    ways = directions(view)
    free = _free_until(colon, view, ways[_EVERY // 2 :: _EVERY, _EVERY // 2 :: _EVERY])
    rays = ways.reshape(-1, 3)
    far, met, normal, places = trace(
        colon.lumen, colon.polyps, view.eye, rays, free.ravel(), view.index
    )
    shape = (SIZE, SIZE)
    facing = np.clip(-np.einsum("ij,ij->i", normal, rays), 0.0, 1.0)
    on_mucosa = np.stack([places[:, 0], places[:, 1] * np.mean(colon.lumen.radius)])
    # On polyps the coordinates of the lumen tear, and at its blind ends they run into one point.
    is_end = (places[:, 0] <= 0.0) | (places[:, 0] >= len(colon.lumen.centre) - 1)
    sideways = far * (view.axes[:2] @ rays.T)
    along, around = np.where((met >= 0) | is_end, sideways, on_mucosa).reshape(2, *shape)
    return Scene(met.reshape(shape), far.reshape(shape), facing.reshape(shape), along, around)


def photograph(
    rng: np.random.Generator, scene: Scene
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The picture (y, x, 3) of a scene, and where (y, x) the endoscope's window shows it."""
    relief = _relief(rng, scene)
    colour = _mucosa(rng, scene)
    colour = _with_residue(rng, scene, colour)
    near = float(np.percentile(scene.far, rng.uniform(15.0, 45.0)))
    light = np.clip(scene.facing + relief, 0.02, 1.2) * (near / (scene.far + 3.0)) ** 2
    light = light / (1.0 + 0.35 * light)  # the light guide dims, and the sensor's knee
    exposure, scattered = rng.uniform(0.75, 1.35), rng.uniform(0.005, 0.03)
    picture = colour * (exposure * light[..., np.newaxis] + scattered * colour)
    picture = picture + _glints(rng, scene, relief, light)[..., np.newaxis]
    is_shown = _window(rng)
    return _photographed(rng, picture.astype(np.float32)) * is_shown[..., np.newaxis], is_shown


def _free_until(colon: Colon, view: View, ways: Floats) -> Floats:
    """Distance (SIZE, SIZE), mm, that every ray between the given ones surely is free."""
    rays = np.ascontiguousarray(ways).reshape(-1, 3)
    nothing = np.zeros(len(rays))
    far = trace(colon.lumen, colon.polyps, view.eye, rays, nothing, view.index)[0]
    padded = np.pad(far.reshape(ways.shape[:2]), 1, mode="edge")
    rows, columns = ways.shape[:2]
    least = np.min(
        [padded[j : j + rows, i : i + columns] for j in range(3) for i in range(3)], axis=0
    )
    return np.kron(np.clip(0.93 * least - 1.0, 0.0, None), np.ones((_EVERY, _EVERY)))


def _on_polyp(rng: np.random.Generator, colon: Colon, number: int) -> View:
    away = np.exp(rng.uniform(np.log(5.0), np.log(24.0))) * rng.choice((-1.0, 1.0))
    index = int(np.clip(colon.places[number] + away, 8, len(colon.lumen.centre) - 9))
    view = _at(rng, colon, index, colon.places[number] < index)
    target = colon.polyps.centre[number] + rng.normal(0.0, 5.0, 3)
    ahead = view.eye + view.axes[2] * abs(away)
    share = rng.uniform(0.5, 1.0)
    return _turned(rng, view, share * target + (1.0 - share) * ahead)


def _along(rng: np.random.Generator, colon: Colon) -> View:
    index = int(rng.integers(40, len(colon.lumen.centre) - 40))
    view = _at(rng, colon, index, bool(rng.random() < 0.5))
    return _turned(rng, view, view.eye + view.axes[2] * 20.0 + rng.normal(0.0, 7.0, 3))


def _at(rng: np.random.Generator, colon: Colon, index: int, backwards: bool) -> View:
    """A view along the lumen from somewhere about its middle."""
    lumen = colon.lumen
    ahead = np.cross(lumen.normal[index], lumen.binormal[index])
    across = rng.uniform(-0.4, 0.4, 2) * lumen.radius[index]
    eye = lumen.centre[index] + across[0] * lumen.normal[index] + across[1] * lumen.binormal[index]
    axes = np.stack([lumen.normal[index], lumen.binormal[index], -ahead if backwards else ahead])
    return View(index, eye, axes, float(rng.uniform(0.6, 1.1)))


def _turned(rng: np.random.Generator, view: View, target: Floats) -> View:
    ahead = target - view.eye
    ahead = ahead / np.sqrt(ahead @ ahead)
    side = np.cross(rng.normal(size=3), ahead)  # rolled any way about its axis
    side = side / np.sqrt(side @ side)
    return View(
        view.index, view.eye, np.stack([side, np.cross(ahead, side), ahead]), view.half_angle
    )


def _sees(colon: Colon, view: View, number: int) -> bool:
    """Whether some of a polyp is in sight: a coarse picture of it has at least eight pixels."""
    rays = directions(view, 16).reshape(-1, 3)
    met = trace(colon.lumen, colon.polyps, view.eye, rays, np.zeros(len(rays)), view.index)[1]
    return bool(np.count_nonzero(met == number) >= 8)


def _on_mucosa(rng: np.random.Generator, scene: Scene, length: float, power: float) -> Picture:
    """A random field that lies on the mucosa, its largest features `length` mm long."""
    field = cloud(rng, SIZE, length * _PIXELS_A_MM, power)
    return sample(field, scene.along * _PIXELS_A_MM, scene.around * _PIXELS_A_MM)


def _relief(rng: np.random.Generator, scene: Scene) -> Picture:
    """How the small unevenness of the mucosa changes the cosine of the light."""
    fine = rng.uniform(0.02, 0.07) * _on_mucosa(rng, scene, 1.2, 3.0)
    return np.asarray(fine + 0.05 * _on_mucosa(rng, scene, 5.0, 3.0), dtype=np.float32)


def _mucosa(rng: np.random.Generator, scene: Scene) -> Picture:
    """Reflectance (y, x, 3) of mucosa with its vessels, and of polyps, a little redder."""
    pale, red = np.array((0.92, 0.50, 0.36)), np.array((0.76, 0.20, 0.12))
    share = rng.uniform(0.0, 1.0)
    base = -np.log(pale * (1.0 - share) + red * share)
    blood = np.array((0.10, 0.75, 0.65))  # optical density of blood in red, green and blue
    wall = scene.polyp < 0
    vessels = ridges(_on_mucosa(rng, scene, 7.0, 3.4), 0.10) * rng.uniform(0.0, 0.75)
    vessels += ridges(_on_mucosa(rng, scene, 2.5, 4.0), 0.12) * rng.uniform(0.0, 0.3)
    pits = ridges(_on_mucosa(rng, scene, 0.9, 5.0), 0.5) * rng.uniform(0.15, 0.45)
    redness = rng.uniform(0.2, 0.6) if rng.random() < 0.8 else rng.uniform(-0.5, -0.2)
    patches = 0.14 * _on_mucosa(rng, scene, 12.0, 3.0)
    polyp = blur((~wall).astype(np.float32), 1.5)
    amount = patches + (1.0 - polyp) * vessels + polyp * (pits + redness)
    return np.asarray(np.exp(-(base + amount[..., np.newaxis] * blood)), dtype=np.float32)


def _with_residue(rng: np.random.Generator, scene: Scene, colour: Picture) -> Picture:
    """Stool that the preparation left: yellow-brown specks and films, at times."""
    if rng.random() < 0.55:
        return colour
    field = _on_mucosa(rng, scene, rng.uniform(1.5, 8.0), 2.6)
    cover = 1.0 / (1.0 + np.exp(-6.0 * (field - rng.uniform(1.2, 2.6))))
    stool = np.array((0.80, 0.50, 0.20)) * rng.uniform(0.6, 1.1)
    return np.asarray(colour + 0.85 * cover[..., np.newaxis] * (stool - colour), dtype=np.float32)


def _glints(rng: np.random.Generator, scene: Scene, relief: Picture, light: Picture) -> Picture:
    """Light that the wet surface mirrors, broken up by its relief."""
    facing = np.clip(scene.facing + rng.uniform(0.5, 1.2) * relief, 0.0, 1.0)
    film = np.clip(0.4 + 0.8 * _on_mucosa(rng, scene, 3.0, 2.5), 0.0, 1.5)
    sharp = facing ** rng.uniform(40.0, 140.0)
    strength = rng.uniform(0.1, 1.1)
    return np.asarray(strength * film * sharp * np.minimum(light, 1.5), dtype=np.float32)


def _photographed(rng: np.random.Generator, picture: Picture) -> NDArray[np.uint8]:
    """What the camera makes of it: blur, colour, noise, gamma, bubbles on the lens."""
    picture = blur(picture, rng.uniform(0.3, 1.6))
    gains = rng.normal(1.0, 0.06, 3) * rng.uniform(0.8, 1.2)
    picture = np.clip(picture * gains, 0.0, 1.0) ** (1.0 / rng.uniform(1.7, 2.3))
    noise = rng.standard_normal(picture.shape, dtype=np.float32) * rng.uniform(0.004, 0.02)
    if rng.random() < 0.25:
        picture = _with_bubbles(rng, picture)
    return as_bytes(picture + blur(noise, 0.6))


def _with_bubbles(rng: np.random.Generator, picture: Picture) -> Picture:
    rows, columns = mesh(SIZE)
    for _ in range(int(rng.integers(3, 25))):
        y, x = rng.uniform(0, SIZE, 2)
        radius = float(rng.gamma(2.0, 2.0)) + 1.5
        apart = np.hypot(rows - y, columns - x)
        rim = np.exp(-(((apart - radius) / 0.9) ** 2)) * rng.uniform(0.05, 0.3)
        glint = np.exp(-((np.hypot(rows - y + 0.4 * radius, columns - x) / 1.1) ** 2))
        picture = picture + (rim + 0.6 * glint)[..., np.newaxis]
    return picture


def _window(rng: np.random.Generator) -> NDArray[np.bool_]:
    """Where the picture is not one of the black corners that endoscopes have."""
    rows, columns = mesh(SIZE)
    down, across = np.abs(rows - SIZE / 2) * 2 / SIZE, np.abs(columns - SIZE / 2) * 2 / SIZE
    kind = rng.random()
    if kind < 0.6:  # an octagon
        return np.asarray(down + across < rng.uniform(1.4, 1.7))
    if kind < 0.85:
        return np.asarray(np.hypot(down, across) < rng.uniform(0.98, 1.25))
    return np.ones((SIZE, SIZE), dtype=np.bool_)
