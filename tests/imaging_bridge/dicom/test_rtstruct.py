"""Contours filled where they lie in the patient."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from halsted.imaging_bridge import GeometryError, ScanError, Volume, read_dicom_series
from halsted.imaging_bridge.dicom.rtstruct import (
    fill_even_odd,
    is_rtstruct,
    read_rtstruct,
    read_rtstruct_noted,
)
from halsted.imaging_bridge.dicom.series import find_series


def _grid(rotation=None, shape=(6, 60, 80), spacing=(2.0, 0.5, 0.7)):
    affine = np.eye(4)
    axes = np.eye(3)[:, ::-1] if rotation is None else rotation[:, ::-1]
    affine[:3, :3] = axes * spacing
    affine[:3, 3] = (-11.0, 4.0, 30.0)
    return Volume(np.zeros(shape, np.float32), affine)


def _circle(grid, number, radius, centre=(15.0, 28.0), points=400):
    """A circle in slice `number`; `centre` in mm along (y, x) from the slice's first voxel."""
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    y = (centre[0] + radius * np.sin(angle)) / grid.spacing[1]
    x = (centre[1] + radius * np.cos(angle)) / grid.spacing[2]
    return grid.to_patient(np.column_stack([np.full(points, number), y, x]))


def _square(grid, number, low, high):
    corners = [(low, low), (low, high), (high, high), (high, low)]
    return grid.to_patient([(number, y, x) for y, x in corners])


def _read(tmp_path, write_rtstruct, grid, structures, **more):
    return read_rtstruct(write_rtstruct(tmp_path / "rs.dcm", structures, **more), grid)


def test_cylinder_has_its_volume_and_place(tmp_path, write_rtstruct):
    grid = _grid()
    contours = [_circle(grid, number, 10.0) for number in (1, 2, 3)]
    labels = _read(tmp_path, write_rtstruct, grid, {"Tumour": contours})
    assert labels.volumes_ml["Tumour"] == pytest.approx(np.pi * 100 * 3 * 2.0 / 1000, rel=0.01)
    assert labels.provenance == "manual"
    assert labels.voxels.dtype == np.uint8
    centre = labels.to_patient(np.argwhere(labels.mask("Tumour"))).mean(axis=0)
    np.testing.assert_allclose(centre, grid.to_patient((2, 15 / 0.5, 28 / 0.7)), atol=0.02)


def test_oblique_grid_gives_the_same_voxels(tmp_path, write_rtstruct, rotation):
    straight, oblique = _grid(), _grid(rotation(4))
    voxels = [
        _read(tmp_path, write_rtstruct, grid, {"A": [_circle(grid, 2, 9.0)]}).voxels
        for grid in (straight, oblique)
    ]
    np.testing.assert_array_equal(*voxels)


def test_contour_inside_another_is_a_hole(tmp_path, write_rtstruct):
    grid = _grid()
    contours = [_circle(grid, 2, 10.0), _circle(grid, 2, 5.0)]
    labels = _read(tmp_path, write_rtstruct, grid, {"Ring": contours})
    assert labels.volumes_ml["Ring"] == pytest.approx(np.pi * 75 * 2.0 / 1000, rel=0.02)
    assert labels.voxels[2, 30, 40] == 0


def test_keyhole_leaves_no_trace(tmp_path, write_rtstruct):
    grid = _grid()
    outer, inner = _circle(grid, 2, 10.0), _circle(grid, 2, 5.0)[::-1]
    keyhole = np.concatenate([outer, outer[:1], inner[-1:], inner, inner[-1:], outer[:1]])
    ring = _read(tmp_path, write_rtstruct, grid, {"A": [outer, inner]}).voxels
    np.testing.assert_array_equal(
        _read(tmp_path, write_rtstruct, grid, {"A": [keyhole]}).voxels, ring
    )


@pytest.mark.parametrize("order", [("Big", "Small"), ("Small", "Big")])
def test_smaller_structure_is_kept_where_two_overlap(tmp_path, write_rtstruct, order):
    grid = _grid()
    radius = {"Big": 12.0, "Small": 4.0}
    drawn = {name: [_circle(grid, 2, radius[name])] for name in order}
    labels = _read(tmp_path, write_rtstruct, grid, drawn)
    alone = _read(tmp_path, write_rtstruct, grid, {"Small": drawn["Small"]})
    np.testing.assert_array_equal(labels.mask("Small"), alone.mask("Small"))
    assert labels.mask("Big").sum() > labels.mask("Small").sum()


def test_earlier_of_two_equal_structures_is_kept(tmp_path, write_rtstruct):
    grid = _grid()
    same = [_circle(grid, 1, 4.0)]
    labels = _read(tmp_path, write_rtstruct, grid, {"First": same, "Second": same})
    assert labels.volumes_ml["First"] > 0
    assert labels.volumes_ml["Second"] == 0


def test_points_enclose_nothing(tmp_path, write_rtstruct):
    grid = _grid()
    labels = _read(tmp_path, write_rtstruct, grid, {"Marker": [_circle(grid, 1, 3)]}, kind="POINT")
    assert dict(labels.volumes_ml) == {"Marker": 0.0}


def test_contour_that_leaves_the_field_of_view_is_clipped(tmp_path, write_rtstruct):
    grid = _grid()
    labels = _read(tmp_path, write_rtstruct, grid, {"Body": [_circle(grid, 0, 500.0)]})
    assert labels.mask("Body")[0].all()
    assert not labels.mask("Body")[1:].any()


@pytest.mark.parametrize("number", [2.5, -1.0, 6.0])
def test_contour_off_every_slice_is_refused(tmp_path, write_rtstruct, number):
    grid = _grid()
    z = 30.0 + 2.0 * number
    with pytest.raises(GeometryError, match=rf"structure 11 in .*{z:.2f}\) mm") as error:
        _read(tmp_path, write_rtstruct, grid, {"DOE^JANE": [_circle(grid, number, 3.0)]})
    assert "rs.dcm" in str(error.value)
    assert "DOE" not in str(error.value)


def test_contour_across_slices_is_refused(tmp_path, write_rtstruct):
    grid = _grid()
    sagittal = grid.to_patient([(0, 3, 5), (3, 3, 5), (3, 9, 5), (0, 9, 5)])
    with pytest.raises(GeometryError, match="leaves the contour's own slice"):
        _read(tmp_path, write_rtstruct, grid, {"Liver": [sagittal]})


def test_other_frame_of_reference_is_refused(tmp_path, write_rtstruct):
    path = write_rtstruct(tmp_path / "rs.dcm", {"Liver": []}, frame_of_reference="1.2.3")
    assert read_rtstruct(path, _grid(), "1.2.3").names == {"Liver": 1}
    with pytest.raises(GeometryError, match=r"1\.2\.3.*1\.2\.4"):
        read_rtstruct(path, _grid(), "1.2.4")


def test_two_structures_of_one_name_are_refused(tmp_path, write_rtstruct):
    def rename(dataset):
        dataset.StructureSetROISequence[1].ROIName = "A"

    with pytest.raises(ScanError, match=r"structure 12 in .* has the name of structure 11"):
        _read(tmp_path, write_rtstruct, _grid(), {"A": [], "B": []}, edit=rename)


@pytest.mark.parametrize(
    "points", [[1.0, 2.0], [1e308, 0.0, 0.0], [np.inf, 0.0, 0.0], [1e6, 0.0, 0.0], []]
)
def test_contour_data_that_are_no_points_are_refused(tmp_path, write_rtstruct, points):
    def spoil(dataset):
        contour = dataset.ROIContourSequence[0].ContourSequence[0]
        contour.ContourData = [*contour.ContourData, *points] if points else []

    grid = _grid()
    with pytest.raises(ScanError, match=r"structure 11 .* ContourData"):
        _read(tmp_path, write_rtstruct, grid, {"A": [_circle(grid, 1, 3.0)]}, edit=spoil)


@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [
        ("StructureSetROISequence", "UL", 3),
        ("ROIContourSequence", "UL", 3),
        ("ContourSequence", "LO", "DOE^JANE"),
        ("ContourData", "OB", b"abcdef"),
        ("ROINumber", "FD", np.inf),
        ("ROINumber", "LO", "DOE^JANE"),
        ("ROINumber", "DS", "1e400"),
    ],
)
def test_elements_of_another_type_are_refused(tmp_path, write_rtstruct, tag, vr, value):
    def spoil(dataset):
        roi, drawn = dataset.StructureSetROISequence[0], dataset.ROIContourSequence[0]
        places = (dataset, roi, drawn, drawn.ContourSequence[0])
        next(one for one in places if tag in one).pop(tag)
        place = dict(ContourSequence=drawn, ContourData=places[3], ROINumber=roi).get(tag, dataset)
        place.add_new(tag, vr, value)

    grid = _grid()
    with pytest.raises(ScanError, match=tag) as error:
        _read(tmp_path, write_rtstruct, grid, {"A": [_circle(grid, 1, 3.0)]}, edit=spoil)
    assert "DOE" not in str(error.value)


def test_two_structures_of_one_number_are_refused(tmp_path, write_rtstruct):
    def renumber(dataset):
        dataset.StructureSetROISequence[1].ROINumber = 11

    with pytest.raises(ScanError, match="ROINumber 11 to 2 structures"):
        _read(tmp_path, write_rtstruct, _grid(), {"A": [], "B": []}, edit=renumber)


def _noted(tmp_path, write_rtstruct, grid, contours):
    path = write_rtstruct(tmp_path / "rs.dcm", {"Liver": contours})
    labels, notes = read_rtstruct_noted(path, grid)
    return labels.mask("Liver"), notes


@pytest.mark.parametrize("stride", [2, 3])
def test_slices_that_were_regularly_skipped_are_filled(tmp_path, write_rtstruct, stride):
    """A cone contoured on every few slices is the cone, up to a pixel at its side."""
    grid = _grid(shape=(10, 60, 80))
    cone = [_circle(grid, number, 12.0 - number) for number in range(10)]
    every, notes = _noted(tmp_path, write_rtstruct, grid, cone)
    assert notes == ()
    mask, notes = _noted(tmp_path, write_rtstruct, grid, cone[::stride])
    assert "11" in notes[0]
    assert f"the {10 - len(cone[::stride]) - (stride == 2)} slices" in notes[0]
    np.testing.assert_array_equal(mask[::stride], every[::stride])
    last = (len(cone[::stride]) - 1) * stride
    assert not mask[last + 1 :].any()  # nothing is added beyond the last contour
    size, expected = mask.sum(axis=(1, 2))[: last + 1], every.sum(axis=(1, 2))[: last + 1]
    np.testing.assert_allclose(size, expected, rtol=0.05)
    assert (mask ^ every)[: last + 1].sum() < 0.05 * expected.sum()


def test_the_shape_between_two_lies_between_them(tmp_path, write_rtstruct):
    """An organ that moves sideways from contour to contour is halfway in the slice between."""
    grid = _grid(shape=(7, 60, 80))
    drawn = [_square(grid, number, 9.5 + number, 29.5 + number) for number in (0, 2, 4, 6)]
    mask, _ = _noted(tmp_path, write_rtstruct, grid, drawn)
    rows, columns = np.nonzero(mask[3])
    np.testing.assert_allclose([rows.mean(), columns.mean()], 22.5, atol=0.6)
    assert mask[3].sum() == pytest.approx(400, rel=0.06)


@pytest.mark.parametrize(
    "drawn",
    [
        (0, 1, 2, 9, 10, 11),  # two islands
        (0, 1, 2, 4, 5, 6),  # a slice forgotten, or two islands: nobody knows
        (0, 2),  # one gap is no regularity
        (0, 6, 12, 18),  # islands 12 mm apart
    ],
)
def test_other_gaps_are_left_empty_and_noted(tmp_path, write_rtstruct, drawn):
    grid = _grid(shape=(20, 60, 80))
    contours = [_circle(grid, number, 8.0) for number in drawn]
    mask, notes = _noted(tmp_path, write_rtstruct, grid, contours)
    assert tuple(np.flatnonzero(mask.any(axis=(1, 2))).tolist()) == drawn
    (note,) = notes
    assert f"the {drawn[-1] + 1 - len(drawn)} slices there were left empty" in note


def test_islands_on_every_second_slice_are_filled_each(tmp_path, write_rtstruct):
    grid = _grid(shape=(20, 60, 80))
    contours = [_circle(grid, number, 8.0) for number in (0, 2, 4, 14, 16, 18)]
    mask, notes = _noted(tmp_path, write_rtstruct, grid, contours)
    filled = np.flatnonzero(mask.any(axis=(1, 2))).tolist()
    assert filled == [0, 1, 2, 3, 4, 14, 15, 16, 17, 18]
    assert ["the 4 slices" in notes[0], "the 9 slices" in notes[1]] == [True, True]


def test_an_automatic_tool_in_a_persons_hand_is_manual(tmp_path, write_rtstruct):
    def say(dataset):
        dataset.StructureSetROISequence[0].ROIGenerationAlgorithm = "SEMIAUTOMATIC"

    labels = _read(tmp_path, write_rtstruct, _grid(), {"A": []}, edit=say)
    assert labels.provenance == "manual"


def test_file_of_another_kind_is_refused(tmp_path, write_series):
    image = write_series(tmp_path).files()[0]
    assert not is_rtstruct(image)
    with pytest.raises(ScanError, match="no DICOM RT Structure Set"):
        read_rtstruct(image, _grid())


def test_structure_set_without_structures_is_refused(tmp_path, write_rtstruct):
    with pytest.raises(ScanError, match="lists no structure"):
        _read(tmp_path, write_rtstruct, _grid(), {})


def test_neighbours_that_share_an_edge_share_no_pixel():
    corners = np.array([(0, 0), (0, 4), (4, 4), (4, 0)], dtype=float)
    masks = [fill_even_odd([corners + shift], (8, 8)) for shift in ((0, 0), (0, 4), (4, 0), (4, 4))]
    np.testing.assert_array_equal(np.sum(masks, axis=0), np.ones((8, 8)))


def _is_inside(polygon, y, x):
    """Even-odd rule for one point, by counting the edges that a ray to the left crosses."""
    crossed = 0
    for (y0, x0), (y1, x1) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        if min(y0, y1) <= y < max(y0, y1) and x0 + (y - y0) / (y1 - y0) * (x1 - x0) <= x:
            crossed += 1
    return crossed % 2 == 1


# Never a whole number, so that no vertex or edge touches a pixel centre within rounding.
_coordinate = st.integers(-2, 11).map(lambda number: number + 0.37)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.tuples(_coordinate, _coordinate), min_size=1, max_size=7), max_size=3))
def test_fill_is_the_even_odd_rule_at_every_pixel(polygons):
    mask = fill_even_odd([np.array(polygon) for polygon in polygons], (9, 10))
    for y, x in np.ndindex(9, 10):
        assert mask[y, x] == (sum(_is_inside(polygon, y, x) for polygon in polygons) % 2 == 1)


def test_real_tumour_has_its_published_volume(data_folder):
    folder = data_folder / "lung_nodule" / "4D-Lung_113"
    series = find_series(folder)
    path = next(path for path in folder.iterdir() if is_rtstruct(path))
    labels = read_rtstruct(path, series.read(), series.frame_of_reference)
    assert list(labels.names) == ["Tumor_c40", "LN_c40", "Carina_c40", "Vertebra_c40"]
    assert labels.volumes_ml["Tumor_c40"] == pytest.approx(67.6, rel=0.01)


def test_real_structure_set_of_another_scan_is_refused(data_folder):
    folder = data_folder / "dicom_hazards" / "rt-utils" / "mock_data"
    scan = read_dicom_series(folder)
    assert read_rtstruct(folder / "rt.dcm", scan).volumes_ml["ROI-1"] > 0
    with pytest.raises(GeometryError, match="lies in no slice"):
        read_rtstruct(folder / "invalid_reference_rt.dcm", scan)
