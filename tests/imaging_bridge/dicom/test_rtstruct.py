"""Contours filled where they lie in the patient."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from halsted.imaging_bridge import GeometryError, ScanError, Volume, read_dicom_series
from halsted.imaging_bridge.dicom.rtstruct import fill_even_odd, is_rtstruct, read_rtstruct
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
    with pytest.raises(GeometryError, match=rf"'Liver' in .*{z:.2f}\) mm") as error:
        _read(tmp_path, write_rtstruct, grid, {"Liver": [_circle(grid, number, 3.0)]})
    assert "rs.dcm" in str(error.value)


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

    with pytest.raises(ScanError, match="two structures 'A'"):
        _read(tmp_path, write_rtstruct, _grid(), {"A": [], "B": []}, edit=rename)


def test_contour_data_that_are_no_points_are_refused(tmp_path, write_rtstruct):
    def cut(dataset):
        contour = dataset.ROIContourSequence[0].ContourSequence[0]
        contour.ContourData = list(contour.ContourData)[:-1]

    grid = _grid()
    with pytest.raises(ScanError, match="ContourData"):
        _read(tmp_path, write_rtstruct, grid, {"A": [_circle(grid, 1, 3.0)]}, edit=cut)


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
