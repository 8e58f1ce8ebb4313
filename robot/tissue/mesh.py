"""Tetrahedral meshes of blocks and sheets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from halsted.robot.tissue.errors import TissueError

# A cell cut into five tetrahedra; corners are numbered x + 2 y + 4 z. Cells whose indices add up
# to an odd number take the mirror image, so that neighbours share the diagonals of their faces.
_EVEN = np.array([[0, 1, 2, 4], [3, 2, 1, 7], [5, 4, 7, 1], [6, 7, 4, 2], [1, 2, 4, 7]])
_ODD = _EVEN ^ 1
# The face opposite to each corner of a positively oriented tetrahedron, wound outwards.
_FACES = np.array([[1, 2, 3], [0, 3, 2], [0, 1, 3], [0, 2, 1]])


@dataclass(frozen=True, eq=False)
class TetMesh:
    """A tetrahedral mesh at rest in the world frame.

    Attributes:
        nodes: (n, 3) m.
        tets: (t, 4) nodes of each tetrahedron, all of positive volume.
        volumes: (t,) m^3.
        face_nodes: (f, 3) nodes of each face, wound outwards from its first tetrahedron.
        face_tets: (f, 2) tetrahedra on both sides of each face; the second is -1 on the surface.
        tet_faces: (t, 4) the face opposite to each corner.
    """

    nodes: NDArray[np.float64]
    tets: NDArray[np.int32]
    volumes: NDArray[np.float64] = field(init=False)
    face_nodes: NDArray[np.int32] = field(init=False)
    face_tets: NDArray[np.int32] = field(init=False)
    tet_faces: NDArray[np.int32] = field(init=False)

    def __post_init__(self) -> None:
        corners = self.nodes[self.tets]
        volumes = np.linalg.det(corners[:, 1:] - corners[:, :1]) / 6.0
        if not (len(volumes) and np.all(volumes > 0.0)):
            raise TissueError(
                f"{int(np.sum(~(volumes > 0.0)))} of {len(volumes)} tetrahedra have no positive "
                "volume; give each its corners in right-handed order"
            )
        face_nodes, face_tets, tet_faces = _faces_of(self.tets)
        for name, value in (
            ("volumes", volumes),
            ("face_nodes", face_nodes),
            ("face_tets", face_tets),
            ("tet_faces", tet_faces),
        ):
            object.__setattr__(self, name, value)

    @property
    def surface(self) -> NDArray[np.int32]:
        """(s, 3) nodes of the surface triangles at rest, wound outwards."""
        return self.face_nodes[self.face_tets[:, 1] < 0]

    def node_masses(self, density: float) -> NDArray[np.float64]:
        """(n,) kg: a quarter of each tetrahedron's mass goes to each of its corners."""
        masses = np.zeros(len(self.nodes))
        np.add.at(masses, self.tets, density * self.volumes[:, None] / 4.0)
        return masses


def block(
    size: Sequence[float], cells: Sequence[int], origin: Sequence[float] = (0.0, 0.0, 0.0)
) -> TetMesh:
    """A regular mesh of a block, five tetrahedra a cell; a sheet is a block one cell high.

    Args:
        size: Length in x, y and z, m.
        cells: Number of cells in x, y and z.
        origin: The corner with the least coordinates, world, m.

    Raises:
        TissueError: a size or a number of cells is not positive.
    """
    if min(size) <= 0.0 or min(cells) < 1:
        raise TissueError(
            f"a block of {tuple(size)} m in {tuple(cells)} cells has no volume; give three "
            "positive lengths and three counts of at least 1"
        )
    lines = [
        start + np.linspace(0.0, length, count + 1)
        for start, length, count in zip(origin, size, cells, strict=True)
    ]
    grid = np.meshgrid(*lines, indexing="ij")
    nodes = np.stack([axis.ravel() for axis in grid], axis=1)
    return TetMesh(nodes, _cell_tets(cells))


def _cell_tets(cells: Sequence[int]) -> NDArray[np.int32]:
    number = np.arange(np.prod(np.add(cells, 1))).reshape(np.add(cells, 1))
    x, y, z = (axis.ravel() for axis in np.indices(tuple(cells)))
    corners = np.stack(
        [number[x + (c & 1), y + (c >> 1 & 1), z + (c >> 2)] for c in range(8)], axis=1
    )
    odd = (x + y + z) % 2 == 1
    # Mirroring turns the orientation round; exchanging two corners turns it back.
    patterns = np.where(odd[:, None, None], _ODD[:, [0, 2, 1, 3]], _EVEN)
    tets = np.take_along_axis(corners[:, None, :], patterns, axis=2)
    # The five tetrahedra of a cell share nodes: kept apart, a sweep waits less for its own writes.
    return np.ascontiguousarray(tets.swapaxes(0, 1).reshape(-1, 4), dtype=np.int32)


def _faces_of(
    tets: NDArray[np.int32],
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Unique faces with their nodes and both tetrahedra, and the faces of each tetrahedron."""
    wound = tets[:, _FACES].reshape(-1, 3)
    _, first, inverse = np.unique(
        np.sort(wound, axis=1), axis=0, return_index=True, return_inverse=True
    )
    owner = np.repeat(np.arange(len(tets), dtype=np.int32), 4)
    face_tets = np.full((len(first), 2), -1, np.int32)
    face_tets[:, 0] = owner[first]
    inverse = inverse.ravel()
    second = np.ones(len(wound), bool)
    second[first] = False
    face_tets[inverse[second], 1] = owner[second]
    return (
        np.ascontiguousarray(wound[first], dtype=np.int32),
        face_tets,
        np.ascontiguousarray(inverse.reshape(-1, 4), dtype=np.int32),
    )
