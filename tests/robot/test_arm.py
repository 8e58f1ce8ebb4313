"""Arms by name, and what is said of a description that is wrong."""

import copy
import re
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from pydantic import ValidationError

from halsted.robot.arm import Arm, arm_names, load_arm
from halsted.robot.arm_description import ArmDescription
from halsted.robot.arm_urdf import source_path
from halsted.robot.errors import ArmError
from halsted.robot.kinematics.chain import chain_from_urdf


def changed(arm: Arm, **changes: object) -> ArmDescription:
    return ArmDescription.model_validate(arm.description.model_dump() | changes)


def test_an_unknown_arm_is_named_with_those_there_are() -> None:
    with pytest.raises(ArmError, match=r"'da_vinci'.*kuka_lbr"):
        load_arm("da_vinci")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"tool_length_m": -0.2}, "tool_length_m"),
        ({"mount_xyz_m": [0.0, 0.0]}, "mount_xyz_m"),
        ({"tool_lenght_m": 0.2}, "tool_lenght_m"),
        ({"home": ["up"]}, "home"),
        ({"kinematics": "scara"}, "kinematics"),
        ({"kinematics": "psm"}, "psm has joints"),
        ({"urdf": None}, "serial arm has urdf"),
    ],
)
def test_a_wrong_description_is_refused(arm: Arm, changes: dict[str, object], field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        changed(arm, **changes)


def test_a_home_of_another_arm_is_refused(arm: Arm) -> None:
    with pytest.raises(ArmError, match="7 joints, but home lists 3"):
        Arm("short", changed(arm, home=[0.0, 0.0, 0.0]))


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


def one_joint(tmp_path: Path, kind: str = "revolute", inside: str = "") -> Path:
    urdf = tmp_path / "one.urdf"
    urdf.write_text(
        f'<robot name="r"><link name="a"/><link name="b"/><joint name="hinge" type="{kind}">'
        f'<parent link="a"/><child link="b"/>{inside}</joint></robot>'
    )
    return urdf


def test_an_axis_of_any_length_turns_by_the_angle(tmp_path: Path) -> None:
    urdf = one_joint(tmp_path, inside='<axis xyz="0 0 2"/>')
    pose = chain_from_urdf(urdf, "b", np.eye(4)).forward(np.array([0.5]))
    assert pose[0, 0] == pytest.approx(np.cos(0.5))
    assert pose[:3, :3] @ pose[:3, :3].T == pytest.approx(np.eye(3))


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        ('<axis xyz="0 zero 1"/>', r"'hinge'.*'zero' where a finite number"),
        ('<axis xyz="0 nan 1"/>', r"'nan' where a finite number"),
        ('<axis xyz="0 1"/>', r"'0 1' where three numbers"),
        ('<axis xyz="0 0 0"/>', r"'hinge'.*no length"),
        ("", r"'hinge' of the URDF lacks axis/xyz"),
        ('<axis xyz="0 0 1"/><origin xyz="0 0"/>', r"'0 0' where three numbers"),
        ('<axis xyz="0 0 1"/><limit lower="low" upper="1"/>', r"'low' where a finite number"),
    ],
)
def test_words_for_numbers_in_a_urdf_are_refused(tmp_path: Path, inside: str, message: str) -> None:
    with pytest.raises(ArmError, match=message):
        chain_from_urdf(one_joint(tmp_path, inside=inside), "b", np.eye(4))


def test_a_urdf_in_which_nothing_turns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArmError, match=r"no joint of .* up to 'b' turns"):
        chain_from_urdf(one_joint(tmp_path, "fixed"), "b", np.eye(4))


def test_limits_that_are_reversed_are_refused(arm: Arm, tmp_path: Path) -> None:
    text = (
        source_path(str(arm.description.urdf))
        .read_text()
        .replace('lower="-2.96705972839"', 'lower="4.0"', 1)
    )
    urdf = tmp_path / "reversed.urdf"
    urdf.write_text(text)
    with pytest.raises(ArmError, match=r"'lbr_iiwa_joint_1'.*4 to 2\.96706 rad"):
        chain_from_urdf(urdf, "lbr_iiwa_link_7", np.eye(4))
    psm = load_arm("psm").description.model_dump()
    psm["joints"][2] |= {"lower": 0.3}
    with pytest.raises(ValidationError, match=r"'insertion' are 0\.3 to 0\.24"):
        ArmDescription.model_validate(psm)


def test_a_table_that_the_closed_form_does_not_fit_is_refused() -> None:
    psm = load_arm("psm").description.model_dump()
    turned = copy.deepcopy(psm)
    turned["joints"][4]["alpha_rad"] = 0.5
    with pytest.raises(ArmError, match=r"'wrist_pitch' of arm 'bent' has alpha 0\.5"):
        Arm("bent", ArmDescription.model_validate(turned))
    del psm["joints"][5]
    with pytest.raises(ArmError, match=r"closed form of psm has 6"):
        Arm("wristless", ArmDescription.model_validate(psm))


def test_jaws_that_the_urdf_lacks_are_named() -> None:
    panda = load_arm("panda")
    gripper = panda.description.model_dump()["gripper"]
    with pytest.raises(ArmError, match="no joint 'thumb'"):
        Arm("x", changed(panda, gripper=gripper | {"joints": ("panda_finger_joint1", "thumb")}))
    with pytest.raises(ArmError, match="no link 'palm'"):
        Arm("x", changed(panda, gripper=gripper | {"links": ("palm", "panda_rightfinger")}))


def test_jaws_that_open_the_wrong_way_are_refused() -> None:
    psm = load_arm("psm")
    gripper = psm.description.model_dump()["gripper"]
    with pytest.raises(ValidationError, match="not in order"):
        changed(psm, gripper=gripper | {"open": -0.1})


def test_a_home_outside_limits_is_refused() -> None:
    with pytest.raises(ArmError, match=r"'insertion' at 0\.5, outside its limits 0 to 0\.24"):
        Arm("long", changed(load_arm("psm"), home=[0.0, 0.0, 0.5, 0.0, 0.0, 0.0]))


def test_a_dh_arm_has_no_chain() -> None:
    with pytest.raises(ArmError, match="'psm' is no chain"):
        load_arm("psm").chain  # noqa: B018


def test_a_new_arm_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = resources.files("halsted.robot") / "arms" / "psm" / "arm.yaml"
    text = shipped.read_text(encoding="utf-8").replace("a_m: 0.0091", "a_m: 0.0107")
    (tmp_path / "arms" / "psm_prograsp").mkdir(parents=True)
    (tmp_path / "arms" / "psm_prograsp" / "arm.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setattr("halsted.robot.arm.files", lambda _: tmp_path)
    assert arm_names() == ["psm_prograsp"]
    longer = load_arm("psm_prograsp")
    assert longer.forward(longer.home)[2, 3] == pytest.approx(-0.1044 - 0.0107 - 0.0102)


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, bytes], Arm]:
    """Loads an arm from the bytes of its file."""

    def load(name: str, content: bytes) -> Arm:
        (tmp_path / "arms" / name).mkdir(parents=True)
        (tmp_path / "arms" / name / "arm.yaml").write_bytes(content)
        monkeypatch.setattr("halsted.robot.arm.files", lambda _: tmp_path)
        return load_arm(name)

    return load


@pytest.mark.parametrize(
    "content", [b"kinematics: [psm\n  x: {", b"\xff\xfe\x00", b"kinematics: \xe9\xa0", b"a: \x00"]
)
def test_a_file_that_is_no_yaml_is_refused_in_one_sentence(
    written: Callable[[str, bytes], Arm], content: bytes
) -> None:
    with pytest.raises(ArmError, match=r"'torn' is no YAML .*arm\.yaml") as caught:
        written("torn", content)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: pitch", "name: yaw", "two joints have one name"),
        ("[jaw_left, jaw_right]", "[jaw_left, roll]", "two joints have one name"),
        (
            "[jaw_left_link, jaw_right_link]",
            "[jaw_left_link, roll_link]",
            "two links have one name",
        ),
        ("  mass_kg: 0.00002\n", "", "gripper of an arm of kind psm has mass_kg"),
        ("  inertia_kg_m2: [2.0e-8, 2.0e-8, 2.0e-8]\n", "", "has mass_kg and inertia_kg_m2"),
        ("[2.0e-8, 2.0e-8, 2.0e-8]", "[-2.0e-8, 2.0e-8, 2.0e-8]", "greater than 0"),
        ("[2.0e-3, 2.0e-3, 2.0e-3]", "[2.0e-3, 0.0, 2.0e-3]", "greater than 0"),
        ("tool_length_m: 0.0102", "tool_length_m: .nan", "tool_length_m: .*finite"),
    ],
)
def test_a_wrong_file_is_refused_in_one_sentence(
    written: Callable[[str, bytes], Arm], old: str, new: str, message: str
) -> None:
    shipped = resources.files("halsted.robot") / "arms" / "psm" / "arm.yaml"
    text = shipped.read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(ArmError, match=message) as caught:
        written("bad_psm", text.replace(old, new, 1).encode())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", arm_names())
def test_every_arm_can_be_loaded_and_rests_within_its_limits(name: str) -> None:
    arm = load_arm(name)
    margin = 0.05 * (arm.upper - arm.lower)
    assert (arm.home > arm.lower + margin).all()
    assert (arm.home < arm.upper - margin).all()
    assert len(arm.joint_names) == len(arm.home)
    for visual in (False, True):
        root = ElementTree.parse(arm.urdf(visual)).getroot()
        links = {link.get("name") for link in root.iter("link")}
        assert "tool" in links
        assert arm.gripper is None or links.issuperset(arm.gripper.links)
        assert {joint.get("name") for joint in root.iter("joint")} >= set(arm.joint_names)


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
