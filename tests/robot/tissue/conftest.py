"""A sheet held at its edges, which tests of tissue share."""

import numpy as np
import pytest

from halsted.robot.tissue import Material, SoftBody, TetMesh, block

SIDE = 0.04
THICKNESS = 0.006
STEP_S = 1 / 60


@pytest.fixture(scope="session")
def sheet_mesh() -> TetMesh:
    """4 cm square, 6 mm thick, its upper face at z = 0; cells of 4 x 4 x 3 mm."""
    return block((SIDE, SIDE, THICKNESS), (10, 10, 2), (-SIDE / 2, -SIDE / 2, -THICKNESS))


@pytest.fixture(scope="session")
def edge(sheet_mesh: TetMesh) -> np.ndarray:
    return np.flatnonzero(np.abs(sheet_mesh.nodes[:, :2]).max(axis=1) > SIDE / 2 - 1e-9)


@pytest.fixture
def sheet(sheet_mesh: TetMesh, edge: np.ndarray) -> SoftBody:
    return SoftBody(sheet_mesh, Material(tear_stretch=np.inf), edge)
