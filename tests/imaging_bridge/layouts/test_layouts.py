"""A download of a public data set is a list of cases with their truth under the names we use."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from halsted.imaging_bridge.errors import GeometryError, HalstedError, ScanError
from halsted.imaging_bridge.labels import LabelMap
from halsted.imaging_bridge.layouts import LAYOUTS, Source, find_layout
from halsted.imaging_bridge.patient import Patient


def sources_of(folder: Path, expected: str) -> list[Source]:
    layout = find_layout(folder)
    assert layout.name == expected
    return layout.sources(folder)


def labels_of(patient: Patient) -> LabelMap:
    assert patient.labels is not None
    return patient.labels


def test_brats_of_any_year_has_one_set_of_names(brats: Path) -> None:
    sources = sources_of(brats, "brats")
    assert [one.person for one in sources] == [
        "BraTS-GLI-00005", "BraTS-GLI-00005", "BraTS20_Training_001",
    ]  # fmt: skip
    new, _, old = (one.load() for one in sources)
    for patient in (new, old):
        assert list(patient.images) == ["t1c", "t1", "t2", "flair"]
        assert {one.modality for one in patient.images.values()} == {"MR"}
        labels = labels_of(patient)
        assert set(labels.names) == {"tumour_core", "oedema", "tumour_enhancing"}
        assert labels.mask("tumour_core").sum() == 1
        assert labels.mask("tumour_enhancing").sum() == 8
        assert labels.mask("oedema").sum() == 16
    for name in new.images:
        assert np.array_equal(new.images[name].voxels, old.images[name].voxels)


def test_a_missing_sequence_is_named(brats: Path) -> None:
    (brats / "BraTS20_Training_001" / "BraTS20_Training_001_t2.nii.gz").unlink()
    source = sources_of(brats, "brats")[-1]
    with pytest.raises(ScanError, match=r"lacks the sequence\(s\) t2, "):
        source.load()


def test_a_sequence_on_another_grid_is_refused(brats: Path) -> None:
    path = brats / "BraTS20_Training_001" / "BraTS20_Training_001_t2.nii.gz"
    image = sitk.ReadImage(str(path))
    image.SetOrigin((5.0, 5.0, 5.0))
    sitk.WriteImage(image, str(path))
    with pytest.raises(GeometryError, match="another grid"):
        sources_of(brats, "brats")[-1].load()


def test_a_decathlon_task_says_what_its_files_do_not(msd: Path) -> None:
    (source,) = sources_of(msd, "msd")
    patient = source.load()
    assert (patient.image.modality, patient.image.unit) == ("CT", "HU")
    assert list(patient.images) == ["ct"]
    assert labels_of(patient).mask("lesion").sum() == 50


def test_channels_of_a_decathlon_task_are_images(msd: Path) -> None:
    image = sitk.ReadImage(str(msd / "imagesTr/lung_001.nii.gz"))
    both = sitk.JoinSeries([image, image + 7])
    sitk.WriteImage(both, str(msd / "imagesTr/lung_001.nii.gz"))
    listed = json.loads((msd / "dataset.json").read_text(encoding="utf-8"))
    listed["modality"] = {"0": "FLAIR", "1": "t1gd"}
    listed["labels"] = {"background": 0, "edema": 1}
    (msd / "dataset.json").write_text(json.dumps(listed), encoding="utf-8")
    patient = sources_of(msd, "msd")[0].load()
    assert list(patient.images) == ["flair", "t1c"]
    assert np.array_equal(patient.images["t1c"].voxels, patient.images["flair"].voxels + 7)
    assert labels_of(patient).mask("oedema").sum() == 50


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda listed: listed.pop("labels"), "not the list of a Decathlon task"),
        (lambda listed: listed["training"][0].update(image="../../x.nii.gz"), "outside"),
        (lambda listed: listed["training"][0].update(label="./labelsTr/no.nii.gz"), "no file"),
    ],
)
def test_a_wrong_list_is_refused(msd: Path, edit: Callable[..., object], told: str) -> None:
    listed = json.loads((msd / "dataset.json").read_text(encoding="utf-8"))
    edit(listed)
    (msd / "dataset.json").write_text(json.dumps(listed), encoding="utf-8")
    with pytest.raises(ScanError, match=told):
        sources_of(msd, "msd")[0].load()


def test_a_nodule_is_what_half_of_the_readers_outlined(lidc: Path) -> None:
    (source,) = sources_of(lidc, "lidc-idri")
    assert source.person == "LIDC-IDRI-0007"
    patient = source.load()
    assert patient.facts["readers"] == "4"
    lesion = labels_of(patient).mask("lesion")
    # Rims are outside: the first reader has 3 x 3 pixels, the second and the last 5 x 5 less a
    # hole of one. Two of four are enough; a nodule of one reader and a point are not.
    expected = np.zeros(lesion.shape, bool)
    expected[2, 4:9, 4:9] = True
    expected[2, 6, 6] = False
    assert np.array_equal(lesion, expected)


def test_an_outline_on_an_image_of_no_file_is_refused(lidc: Path) -> None:
    (notes,) = lidc.rglob("*.xml")
    text = notes.read_text(encoding="utf-8")
    notes.write_text(text.replace("<imageSOP_UID>2", "<imageSOP_UID>9"), encoding="utf-8")
    with pytest.raises(ScanError, match="not in its series"):
        sources_of(lidc, "lidc-idri")[0].load()


def test_xml_that_declares_entities_is_refused(lidc: Path) -> None:
    (notes,) = lidc.rglob("*.xml")
    text = notes.read_text(encoding="utf-8")
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa">]><LidcReadMessage'
    notes.write_text(text.replace("<LidcReadMessage", bomb), encoding="utf-8")
    with pytest.raises(ScanError, match="entities"):
        sources_of(lidc, "lidc-idri")[0].load()


def test_isic_gives_masks_and_diagnoses(isic: Path) -> None:
    sources = sources_of(isic, "isic")
    assert [one.load().facts["diagnosis"] for one in sources] == ["benign", "malignant", "benign"]
    patient = sources[0].load()
    assert patient.image.modality == "DMS"
    assert labels_of(patient).mask("lesion").sum() == 42


@pytest.mark.parametrize(
    ("table", "diagnoses"),
    [
        ("ISIC_0000000,benign\nISIC_0000001,malignant\n", ["benign", "malignant", None]),
        ("isic_id,benign_malignant\nISIC_0000001,malignant\n", [None, "malignant", None]),
        ("image,MEL,NV,BCC\nISIC_0000000,0,1,0\nISIC_0000001,0,0,1\n",
         ["benign", "malignant", None]),
        ("image_name,patient_id,target\nISIC_0000000,IP_1,1\nISIC_0000001,IP_1,0\n",
         ["malignant", "benign", None]),
        ("lesion_id,image_id,dx\nHAM_1,ISIC_0000002,akiec\n", [None, None, "malignant"]),
    ],
    ids=["2016", "archive", "2018", "2020", "ham10000"],
)  # fmt: skip
def test_diagnoses_of_every_table(isic: Path, table: str, diagnoses: list[str | None]) -> None:
    (isic / "part3.csv").write_text(table, encoding="utf-8")
    loaded = [one.load() for one in sources_of(isic, "isic")]
    assert [one.facts.get("diagnosis") for one in loaded] == diagnoses


def test_images_of_one_person_are_told(isic: Path) -> None:
    (isic / "people.csv").write_text(
        "image_name,patient_id,target\nISIC_0000000,IP_1,1\nISIC_0000002,IP_1,0\n", encoding="utf-8"
    )
    people = [one.person for one in sources_of(isic, "isic")]
    assert people == ["IP_1", "ISIC_0000001", "IP_1"]


def test_a_mask_without_its_image_is_refused(isic: Path, pairs: Path) -> None:
    (isic / "images/ISIC_0000001.jpg").unlink()
    with pytest.raises(ScanError, match="image ISIC_0000001, which is not in"):
        sources_of(isic, "isic")
    (pairs / "images/case 1.png").unlink()
    with pytest.raises(ScanError, match="has case 1 in masks and not in images"):
        sources_of(pairs, "images-and-masks")


def test_a_mask_of_another_size_is_refused(pairs: Path) -> None:
    from PIL import Image

    Image.fromarray(np.full((5, 5), 255, np.uint8)).save(pairs / "masks/case 0.png")
    with pytest.raises(ScanError, match="5 x 5 pixels, but its picture 20 x 24"):
        sources_of(pairs, "images-and-masks")[0].load()


def test_anybodys_images_and_masks_are_read(pairs: Path) -> None:
    sources = sources_of(pairs, "images-and-masks")
    assert [one.name for one in sources] == ["case 0", "case 1"]
    assert labels_of(sources[0].load()).mask("mask").sum() == 42


def test_a_table_of_something_else_is_no_matter(pairs: Path) -> None:
    (pairs / "notes.csv").write_bytes("Größe;Ort\n3;Köln\n".encode("latin-1"))
    (pairs / "notes.json").write_text('{"a": {"filename": "x"}}', encoding="utf-8")
    (pairs / "notes.xml").write_text("<broken", encoding="utf-8")
    assert find_layout(pairs).name == "images-and-masks"


def test_kvasir_is_of_polyps(kvasir: Path) -> None:
    patient = sources_of(kvasir, "kvasir-seg")[0].load()
    assert labels_of(patient).mask("polyp").sum() == 42
    assert patient.image.modality == "ES"


def test_polyps_of_centres_and_sequences(polypgen: Path) -> None:
    sources = sources_of(polypgen, "polypgen")
    assert [(one.name, one.person) for one in sources] == [
        ("C1 100H0050", "C1 100H0050"),
        ("C3 C3_EndoCV2021_00489_", "C3 C3_EndoCV2021_00489_"),
        ("seq1 f_1", "seq1"),
        ("seq1 f_2", "seq1"),
    ]
    for source in sources:
        patient = source.load()
        assert patient.image.modality == "ES"
        # A mask of JPEG is sharp to within the pixels of its edge.
        assert labels_of(patient).mask("polyp").sum() == pytest.approx(42, abs=10)
    (polypgen / "data_C1/images_C1/100H0050.jpg").unlink()
    with pytest.raises(ScanError, match="mask of a frame that is not in"):
        sources_of(polypgen, "polypgen")


def test_numbered_instances_have_their_kinds(instances: Path) -> None:
    (source,) = sources_of(instances, "instances")
    patient = source.load()
    assert patient.image.modality == "SM"
    labels = labels_of(patient)
    assert {name: int(labels.mask(name).sum()) for name in labels.names} == {
        "epithelial_2": 42, "lymphocyte_300": 6,
    }  # fmt: skip
    for wrong, told in (
        ('{"2": "epithelial"}', "gives no kind of the instance 300"),
        ("[]", "kind"),
    ):
        (instances / "s_instances.json").write_text(wrong, encoding="utf-8")
        with pytest.raises(ScanError, match=told):
            source.load()


def test_an_instrument_stays_under_its_glare(endocv: Path) -> None:
    (source,) = sources_of(endocv, "endocv")
    labels = labels_of(source.load())
    assert labels.mask("instrument").sum() == 4 * 6
    assert labels.mask("saturation").sum() == 4 * 6  # of 5 rows one lies on the instrument
    assert set(labels.names) == {"instrument", "specularity", "artefact", "bubbles", "saturation"}


def test_dsb_nuclei_are_instances(dsb2018: Path) -> None:
    (source,) = sources_of(dsb2018, "dsb2018")
    labels = labels_of(source.load())
    assert {name: int(labels.mask(name).sum()) for name in labels.names} == {
        "nucleus_1": 42, "nucleus_2": 6,
    }  # fmt: skip


def test_monusac_nuclei_have_their_kinds(monusac: Path) -> None:
    sources = sources_of(monusac, "monusac")
    assert [one.person for one in sources] == ["TCGA-A2-A0CV"] * 2
    labels = labels_of(sources[0].load())
    assert {name: int(labels.mask(name).sum()) for name in labels.names} == {
        "epithelial_1": 25, "lymphocyte_2": 4,
    }  # fmt: skip
    assert sources[0].load().image.modality == "SM"


def test_nights_with_and_without_signals(apnea_ecg: Path) -> None:
    sources = sources_of(apnea_ecg, "apnea-ecg")
    assert [one.person for one in sources] == ["a05", "a05", "b01"]
    without, with_signal = sources[0].load().recording, sources[2].load().recording
    assert without is not None
    assert with_signal is not None
    assert (len(without.signals), len(with_signal.signals)) == (0, 1)
    for recording in (without, with_signal):
        assert recording.annotations["apn"].symbols == ("N", "A", "A", "N")
        assert len(recording.annotations["qrs"].times_s) == 300


def test_respiration_belongs_to_its_night(apnea_ecg: Path) -> None:
    for end in ("r", "er"):  # as the set has them, with the notes again
        for suffix in ("apn", "hea") if end == "er" else ("apn", "hea", "dat"):
            whole = (apnea_ecg / f"b01.{suffix}").read_bytes()
            name = f"b01{end}".encode()
            again = whole.replace(b"ECG", b"SpO2").replace(b"b01", name)
            (apnea_ecg / f"b01{end}.{suffix}").write_bytes(again if suffix == "hea" else whole)
    sources = sources_of(apnea_ecg, "apnea-ecg")
    assert [one.name for one in sources] == ["a05", "a10", "b01"]
    recording = sources[2].load().recording
    assert recording is not None
    assert list(recording.signals) == ["ECG", "SpO2"]


def test_a_night_without_its_header_is_refused(apnea_ecg: Path) -> None:
    (apnea_ecg / "a05.hea").unlink()
    with pytest.raises(ScanError, match=r"no header a05\.hea"):
        sources_of(apnea_ecg, "apnea-ecg")[0].load()


@pytest.mark.parametrize("version", [1, 2, 3], ids=["1", "2", "project"])
def test_regions_of_every_version(via: Callable[[int], Path], version: int) -> None:
    (source,) = sources_of(via(version), "via")
    labels = labels_of(source.load())
    assert dict(labels.names) == {"arm": 1, "ring": 2}
    # Corners lie on pixels: of each pair of edges one belongs to the polygon.
    assert labels.mask("arm").sum() == 7 * 13
    assert labels.mask("ring").sum() == pytest.approx(np.pi * 4**2, rel=0.1)


@pytest.mark.parametrize(
    ("find", "put", "told"),
    [
        ('"circle"', '"star"', "'star'"),
        ('"left.png"', '"../left.png"', "by a path"),
        ('"left.png"', '"lost.png"', "not beside it"),
        ('"region_attributes"', '"attributes"', "without shape or attributes"),
        ("[3, 10, 10, 3]", "[3, 10]", "'polygon' that cannot be drawn"),
    ],
)
def test_wrong_regions_are_refused(
    via: Callable[[int], Path], find: str, put: str, told: str
) -> None:
    folder = via(1)
    path = folder / "via_region_data.json"
    path.write_text(path.read_text(encoding="utf-8").replace(find, put), encoding="utf-8")
    with pytest.raises(ScanError, match=told):
        sources_of(folder, "via")[0].load()


def test_a_folder_of_nothing_known_says_what_is_known(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing", encoding="utf-8")
    with pytest.raises(ScanError, match="like no data set") as error:
        find_layout(tmp_path)
    assert all(name in str(error.value) for name in LAYOUTS)
    with pytest.raises(ScanError, match="there is no folder"):
        find_layout(tmp_path / "nowhere")


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_without_cases_says_so(name: str, tmp_path: Path) -> None:
    with pytest.raises(HalstedError, match=str(tmp_path)) as error:
        LAYOUTS[name].sources(tmp_path)
    assert str(error.value).count("\n") == 0


def test_a_source_can_be_sent_to_another_process(kvasir: Path) -> None:
    source = sources_of(kvasir, "kvasir-seg")[0]
    again = pickle.loads(pickle.dumps(source))
    assert again.load().content_hash == source.load().content_hash


@pytest.mark.parametrize(
    ("folder", "layout", "cases", "structure"),
    [
        ("colon_polyp/kvasir", "kvasir-seg", 3, "polyp"),
        ("endoscopy", "endocv", 1, "instrument"),
        ("skin_lesion", "isic", 1, "lesion"),
        ("microscopy_nuclei", "dsb2018", 4, "nucleus_1"),
    ],
)
def test_real_pictures(
    folder: str, layout: str, cases: int, structure: str, data_folder: Path
) -> None:
    sources = sources_of(data_folder / folder, layout)
    assert len(sources) == cases
    for source in sources:
        labels = labels_of(source.load())
        share = labels.mask(structure).mean()
        assert 0.0 < share < 0.9


def test_the_published_minutes_of_a_real_night(data_folder: Path) -> None:
    (source,) = sources_of(data_folder / "ecg_apnea", "apnea-ecg")
    recording = source.load().recording
    assert recording is not None
    assert recording.annotations["apn"].symbols.count("A") == 420


def test_studies_with_their_segmentations_are_read(studies: Path) -> None:
    sources = sources_of(studies, "dicom-studies")
    assert [one.name for one in sources] == ["study 1", "study 2"]
    for number, source in enumerate(sources, start=1):
        assert labels_of(source.load()).mask("lesion").sum() == 30 * number
    (alone,) = sources_of(studies / "study 1", "dicom-studies")
    assert alone.load().content_hash == sources[0].load().content_hash
