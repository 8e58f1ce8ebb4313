"""Arms by name, and what is said of a description that is wrong."""

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from pydantic import ValidationError

from halsted.robot.arm import Arm, ArmDescription, load_arm
from halsted.robot.errors import ArmError
from halsted.robot.kinematics import chain_from_urdf


def changed(arm: Arm, **changes: object) -> ArmDescription:
    return ArmDescription.model_validate(arm.description.model_dump() | changes)


def test_an_unknown_arm_is_named_with_those_there_are() -> None:
    with pytest.raises(ArmError, match=r"'da_vinci'.*kuka_lbr"):
        load_arm("da_vinci")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"needle_length_m": -0.2}, "needle_length_m"),
        ({"needle_hub_xyz_m": [0.0, 0.0]}, "needle_hub_xyz_m"),
        ({"needle_lenght_m": 0.2}, "needle_lenght_m"),
        ({"home_rad": ["up"]}, "home_rad"),
    ],
)
def test_a_wrong_description_is_refused(arm: Arm, changes: dict[str, object], field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        changed(arm, **changes)


def test_a_home_of_another_arm_is_refused(arm: Arm) -> None:
    with pytest.raises(ArmError, match="7 joints, but home_rad lists 3"):
        Arm("short", changed(arm, home_rad=[0.0, 0.0, 0.0]))


def test_a_flange_that_the_urdf_lacks_is_named(arm: Arm) -> None:
    with pytest.raises(ArmError, match="no link 'tool0'"):
        Arm("handless", changed(arm, flange="tool0"))


def test_a_urdf_that_is_not_there_is_named(arm: Arm) -> None:
    with pytest.raises(ArmError, match=re.escape("nowhere.urdf")):
        Arm("lost", changed(arm, urdf="nowhere.urdf"))


def test_joints_that_slide_are_refused(tmp_path: Path) -> None:
    urdf = tmp_path / "slide.urdf"
    urdf.write_text(
        '<robot name="r"><link name="a"/><link name="b"/><joint name="rail" type="prismatic">'
        '<parent link="a"/><child link="b"/><axis xyz="0 0 1"/></joint></robot>'
    )
    with pytest.raises(ArmError, match=r"'rail'.*prismatic"):
        chain_from_urdf(urdf, "b", np.eye(4))
    urdf.write_text("<robot><link")
    with pytest.raises(ArmError, match="cannot be read as a URDF"):
        chain_from_urdf(urdf, "b", np.eye(4))


def test_the_shipped_arm_rests_within_its_limits(arm: Arm) -> None:
    assert (arm.home > arm.chain.lower + 0.1).all()
    assert (arm.home < arm.chain.upper - 0.1).all()


def test_only_the_urdf_for_cameras_has_meshes(arm: Arm) -> None:
    seen = ElementTree.parse(arm.urdf(visual=True)).getroot()
    blind = ElementTree.parse(arm.urdf(visual=False)).getroot()
    meshes = [Path(str(mesh.get("filename"))) for mesh in seen.iter("mesh")]
    assert meshes
    assert all(path.is_file() for path in meshes)
    assert not list(blind.iter("mesh"))
    for root in (seen, blind):
        assert [one for one in root.iter("link") if one.get("name") == "needle"]
        assert len(list(root.iter("collision"))) >= 4
