"""WFDB records and EDF files: what was recorded, at its time, and no word about the person."""

from __future__ import annotations

import pickle
import shutil
from collections import Counter
from datetime import date, time

import numpy as np
import pytest

from halsted.imaging_bridge import ScanError
from halsted.imaging_bridge.formats.recordings import read_recording

edfio = pytest.importorskip("edfio")
wfdb = pytest.importorskip("wfdb")


def _refused(path, *words, **more):
    with pytest.raises(ScanError) as error:
        read_recording(path, **more)
    message = str(error.value)
    assert path.stem in message
    assert "\n" not in message
    for word in words:
        assert word in message


# WFDB.


@pytest.fixture
def record(tmp_path):
    """Ten seconds of two channels at 250 Hz in format 16, with beats and a comment."""
    times = np.arange(2500) / 250.0
    signals = np.stack([np.sin(6.28 * times), 0.5 * np.cos(6.28 * times)], axis=1)
    wfdb.wrsamp(
        "one",
        fs=250,
        units=["mV", "mmHg"],
        sig_name=["II", "ABP"],
        p_signal=signals,
        fmt=["16", "16"],
        comments=["Secret Person 69 M"],
        write_dir=str(tmp_path),
    )
    beats = np.array([100, 350, 600])
    wfdb.wrann("one", "atr", beats, symbol=["N", "V", "N"], fs=250, write_dir=str(tmp_path))
    return tmp_path / "one.hea", signals


def test_a_record_is_read_in_its_units(record):
    path, signals = record
    found = read_recording(path)
    assert list(found.signals) == ["II", "ABP"]
    assert [one.unit for one in found.signals.values()] == ["mV", "mmHg"]
    assert found.signals["II"].rate_hz == 250.0
    assert found.signals["II"].duration_s == 10.0
    for number, one in enumerate(found.signals.values()):
        np.testing.assert_allclose(one.samples, signals[:, number], atol=1e-4)
    np.testing.assert_allclose(found.annotations["atr"].times_s, [0.4, 1.4, 2.4])
    assert found.annotations["atr"].symbols == ("N", "V", "N")


def test_nothing_about_the_person_is_kept(record):
    assert b"Secret" not in pickle.dumps(
        [dict(group) for group in vars(read_recording(record[0])).values()]
    )


def test_a_channel_that_is_called_as_the_comments_say_is_not(tmp_path):
    """But leads and sensors keep their names, whatever the comments say."""
    names = ["MLII", "secret ECG", "ECG", "Personal", "V5"]
    wfdb.wrsamp(
        "one",
        fs=250,
        units=["mV"] * 5,
        sig_name=names,
        p_signal=np.random.default_rng(0).normal(size=(500, 5)),
        fmt=["16"] * 5,
        comments=["Secret Person 69 M", "ECG of leads MLII and V5"],
        write_dir=str(tmp_path),
    )
    found = read_recording(tmp_path / "one.hea")
    assert list(found.signals) == ["MLII", "signal 2", "ECG", "signal 4", "V5"]


def test_a_truncated_or_missing_signal_file_is_refused(record):
    path, _ = record
    data = path.with_suffix(".dat")
    data.write_bytes(data.read_bytes()[:-2])
    _refused(path, "truncated", "9998")
    data.unlink()
    assert not read_recording(path).signals  # the beats alone
    path.with_suffix(".atr").unlink()
    _refused(path, "one.dat", "not beside it")


def test_a_changed_sample_is_refused(record):
    data = record[0].with_suffix(".dat")
    changed = bytearray(data.read_bytes())
    changed[500] ^= 0x40
    data.write_bytes(changed)
    _refused(record[0], "checksum")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("250 2500", "250 2500000000"),
        ("250 2500", "-250 2500"),
        ("one 2", "one 3"),
        ("one.dat", "../one.dat"),
        ("one.dat", "/etc/passwd"),
        (" 16 ", " 516 "),
    ],
)
def test_a_header_that_lies_is_refused(record, old, new):
    path, _ = record
    path.write_text(path.read_text().replace(old, new))
    _refused(path)


def test_garbage_is_refused(record):
    path, _ = record
    for content in (b"", b"\x00" * 100, b"garbage garbage garbage\n" * 10):
        path.write_bytes(content)
        _refused(path)


def test_the_budget_is_checked_first(record):
    _refused(record[0], "budget", budget_bytes=19_999)
    assert read_recording(record[0], budget_bytes=20_000).signals


def test_a_web_address_is_never_opened(tmp_path, record):
    folder = tmp_path / "zip:" / "host"
    folder.mkdir(parents=True)
    for file in tmp_path.glob("one.*"):
        shutil.copy(file, folder)
    strange = tmp_path / "a::b"
    strange.mkdir()
    shutil.copy(record[0], strange)
    _refused(strange / "one.hea", "'::'")


def test_mit_bih_100_is_what_physionet_publishes(data_folder):
    path = data_folder / "ecg_apnea" / "100.hea"
    found = read_recording(path)
    assert {name: len(one.samples) for name, one in found.signals.items()} == {
        "MLII": 650_000,
        "V5": 650_000,
    }
    assert found.signals["MLII"].rate_hz == 360.0
    assert found.signals["MLII"].samples[0] == pytest.approx(-0.145)  # (995 - 1024) / 200 mV
    # https://archive.physionet.org/physiobank/database/html/mitdbdir/records.htm: 2239, 33 and 1.
    assert Counter(found.annotations["atr"].symbols) == {"N": 2239, "A": 33, "V": 1, "+": 1}
    assert "Aldomet" not in repr(found)
    peer = wfdb.rdrecord(str(path.with_suffix(""))).p_signal
    np.testing.assert_allclose(found.signals["V5"].samples, peer[:, 1], atol=1e-6)


@pytest.mark.parametrize(("name", "ending"), [("100", "atr"), ("a02", "apn"), ("a02", "qrs")])
def test_annotations_agree_with_wfdb(data_folder, name, ending):
    stem = data_folder / "ecg_apnea" / name
    peer = wfdb.rdann(str(stem), ending)
    found = read_recording(stem.with_suffix(".hea")).annotations[ending]
    assert found.symbols == tuple(peer.symbol)
    np.testing.assert_allclose(found.times_s, peer.sample / peer.fs, atol=1e-9)


def test_truncated_annotations_are_refused(record):
    path = record[0].with_suffix(".atr")
    path.write_bytes(path.read_bytes()[:-4])
    _refused(record[0], "annotations")


def test_apnoea_record_without_its_signal_is_its_annotations(data_folder):
    found = read_recording(data_folder / "ecg_apnea" / "a02.hea")
    assert not found.signals
    minutes = found.annotations["apn"]
    assert Counter(minutes.symbols) == {"A": 420, "N": 108}
    assert (minutes.intervals_s == 60.0).all()
    beats = found.annotations["qrs"].only("N")
    assert len(beats.times_s) == 35_152
    assert 0.4 < np.median(beats.intervals_s) < 1.5  # s between heart beats


# EDF.


@pytest.fixture
def sleep(tmp_path):
    """A minute of EEG at 100 Hz and breathing at 10 Hz, scored, of a person with a name."""
    rng = np.random.default_rng(0)
    data = {"EEG Fpz-Cz": rng.normal(0, 50, 6000), "Resp": np.sin(np.arange(600) / 10)}
    file = edfio.Edf(
        [
            edfio.EdfSignal(data["EEG Fpz-Cz"], 100, label="EEG Fpz-Cz", physical_dimension="uV"),
            edfio.EdfSignal(data["Resp"], 10, label="Resp"),
        ],
        patient=edfio.Patient(code="MRN-12345", name="Secret^Person", birthdate=date(1950, 1, 2)),
        recording=edfio.Recording(
            startdate=date(2002, 2, 2), hospital_administration_code="Secret"
        ),
        starttime=time(22, 0),
        annotations=[
            edfio.EdfAnnotation(0, 30, "Sleep stage W"),
            edfio.EdfAnnotation(30, 30, "Sleep stage 2"),
            edfio.EdfAnnotation(41, None, "Secret Person coughs"),
        ],
    )
    path = tmp_path / "night.edf"
    file.write(path)
    return path, data


def test_an_edf_is_read_in_its_units_and_rates(sleep):
    path, data = sleep
    found = read_recording(path)
    assert {name: (one.rate_hz, one.unit) for name, one in found.signals.items()} == {
        "EEG Fpz-Cz": (100.0, "uV"),
        "Resp": (10.0, "1"),
    }
    for name, values in data.items():
        step = np.ptp(values) / 65535  # of the 16 bits that EDF stores
        np.testing.assert_allclose(found.signals[name].samples, values, atol=step)
    noted = found.annotations["edf"]
    assert noted.symbols == ("Sleep stage W", "Sleep stage 2", "note")
    np.testing.assert_allclose(noted.times_s, [0.0, 30.0, 41.0])
    np.testing.assert_array_equal(noted.durations_s, [30.0, 30.0, np.nan])


def test_nothing_about_the_sleeper_is_kept(sleep):
    found = read_recording(sleep[0])
    kept = pickle.dumps([dict(group) for group in vars(found).values()])
    for secret in (b"Secret", b"MRN", b"1950", b"2002"):
        assert secret not in kept


def test_a_channel_that_is_called_like_the_sleeper_is_not(tmp_path):
    labels = ["EEG Fpz-Cz", "SECRET EEG", "x-persona", "mrn12345 SpO2", "Resp", "Ann"]
    samples = np.random.default_rng(0).normal(size=1000)
    path = tmp_path / "night.edf"
    edfio.Edf(
        [edfio.EdfSignal(samples, 100, label=label) for label in labels],
        patient=edfio.Patient(code="MRN-12345", name="Secret_Person_Resp"),
    ).write(path)
    found = read_recording(path)
    assert list(found.signals) == ["EEG Fpz-Cz", "signal 2", "signal 3", "signal 4", "Resp", "Ann"]


@pytest.mark.parametrize("kept", [100, 256, 700, 0.5, 0.999])
def test_a_truncated_edf_is_refused(sleep, kept):
    path, _ = sleep
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole) if kept < 1 else kept)])
    _refused(path)


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0, b"BIOSEMI "),
        (192, b"EDF+D"),
        (236, b"99999999"),
        (236, b"-1      "),
        (244, b"0       "),
        (244, b"nan     "),
        (252, b"9999"),
        (252, b"-1  "),
    ],
)
def test_an_edf_header_that_lies_is_refused(sleep, at, text):
    path, _ = sleep
    spoilt = bytearray(path.read_bytes())
    spoilt[at : at + len(text)] = text
    path.write_bytes(spoilt)
    _refused(path)


def test_the_budget_of_an_edf_is_checked_first(sleep):
    _refused(sleep[0], "budget", budget_bytes=1000)


def test_other_files_are_refused(tmp_path):
    _refused(tmp_path / "none.edf", "no file")
    (tmp_path / "a.txt").write_text("")
    _refused(tmp_path / "a.txt", "suffix")
