"""The arm that tests of kinematics and worlds share."""

import pytest

from halsted.robot.arm import Arm, load_arm


@pytest.fixture(scope="session")
def arm() -> Arm:
    return load_arm("kuka_lbr")
