"""Patients: one grid, a content hash, and arrays that processes share."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from halsted.imaging_bridge import GeometryError, HalstedError, LabelMap, OutputError, Patient
from halsted.imaging_bridge.cache import cache_folder, cache_key, cached_arrays, find_cached
from halsted.imaging_bridge.volume import Volume


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HALSTED_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _patient(seed=0, shape=(6, 7, 8)):
    rng = np.random.default_rng(seed)
    affine = np.diag([2.0, 1.0, 0.5, 1.0])
    image = Volume(rng.normal(size=shape).astype(np.float32), affine, "CT", "HU")
    labels = LabelMap(rng.integers(0, 2, shape).astype(np.uint8), affine, {"liver": 1}, "manual")
    return Patient({"ct": image}, labels, "phantom", {"seed": str(seed)})


def test_needs_an_image():
    with pytest.raises(GeometryError, match="at least one image"):
        Patient({})


def test_labels_lie_on_the_grid_of_the_first_image():
    patient = _patient()
    moved = np.array(patient.image.affine)
    moved[0, 3] += 1.0
    labels = LabelMap(patient.labels.voxels, moved, patient.labels.names)
    with pytest.raises(GeometryError, match="another grid"):
        Patient(patient.images, labels)


def test_mappings_are_read_only():
    patient = _patient()
    with pytest.raises(TypeError):
        patient.images["mr"] = patient.image
    with pytest.raises(TypeError):
        patient.facts["name"] = "somebody"


def test_hash_is_of_everything():
    patient = _patient()
    assert patient.content_hash == _patient().content_hash
    others = [
        _patient(1),
        Patient(patient.images, None, "phantom", patient.facts),
        Patient(patient.images, patient.labels, "scan", patient.facts),
        Patient(patient.images, patient.labels, "phantom", {}),
        Patient({"mr": patient.image}, patient.labels, "phantom", patient.facts),
    ]
    assert len({patient.content_hash, *(one.content_hash for one in others)}) == 6


def test_stored_patient_is_the_same_and_memory_mapped(empty_cache):
    patient = _patient()
    stored = patient.stored()
    assert isinstance(stored.image.voxels.base, np.memmap)
    assert not stored.image.voxels.flags.writeable
    np.testing.assert_array_equal(stored.image.voxels, patient.image.voxels)
    np.testing.assert_array_equal(stored.labels.voxels, patient.labels.voxels)
    assert (stored.image.modality, stored.image.unit) == ("CT", "HU")
    assert stored.labels.names == patient.labels.names
    assert (stored.kind, dict(stored.facts)) == ("phantom", {"seed": "0"})
    # recomputed from the voxels, not taken over
    recomputed = Patient(stored.images, stored.labels, stored.kind, stored.facts)
    assert recomputed.content_hash == patient.content_hash


def test_patient_without_labels_is_stored(empty_cache):
    patient = Patient({"ct": _patient().image})
    assert patient.stored().labels is None
    assert patient.stored().content_hash == patient.content_hash


def test_pickle_is_a_hash(empty_cache):
    patient = _patient(shape=(40, 50, 60))
    pickled = pickle.dumps(patient)
    assert patient.image.voxels.nbytes > 100_000
    assert len(pickled) < 500
    assert patient.content_hash.encode() in pickled


def test_pickle_opens_in_another_process(empty_cache, tmp_path):
    patient = _patient()
    (tmp_path / "patient.pickle").write_bytes(pickle.dumps(patient))
    code = (
        "import pickle, sys; p = pickle.load(open(sys.argv[1], 'rb')); "
        "print(float(p.image.voxels.sum()), p.labels.mask('liver').sum())"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "patient.pickle")]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert float(told[0]) == float(patient.image.voxels.sum())
    assert int(told[1]) == patient.labels.mask("liver").sum()


def test_pickle_without_its_cache_says_so(empty_cache, monkeypatch, tmp_path):
    pickled = pickle.dumps(_patient())
    monkeypatch.setenv("HALSTED_CACHE", str(tmp_path / "another"))
    with pytest.raises(HalstedError, match="HALSTED_CACHE"):
        pickle.loads(pickled)


# The cache below it.


def test_arrays_are_made_once(empty_cache):
    made = []

    def make():
        made.append(1)
        return {"a": np.arange(5), "b": np.eye(2)}

    for _ in range(3):
        arrays = cached_arrays("some-key", make)
        np.testing.assert_array_equal(arrays["a"], np.arange(5))
        np.testing.assert_array_equal(arrays["b"], np.eye(2))
    assert made == [1]
    assert find_cached("another-key") is None


def test_nothing_is_left_of_a_failed_attempt(empty_cache):
    def make():
        raise HalstedError("no arrays today")

    with pytest.raises(HalstedError, match="today"):
        cached_arrays("key", make)
    with pytest.raises(OutputError, match="cache folder"):  # the second array cannot be written
        cached_arrays("key", lambda: {"a": np.zeros(3), "no_folder/b": np.zeros(3)})
    assert list(cache_folder().iterdir()) == []


def test_damaged_entry_is_made_again(empty_cache):
    cached_arrays("key", lambda: {"a": np.arange(5)})
    (empty_cache / "key" / "a.npy").write_bytes(b"damaged")
    assert find_cached("key") is None
    arrays = cached_arrays("key", lambda: {"a": np.arange(5)})
    np.testing.assert_array_equal(arrays["a"], np.arange(5))


def test_least_recently_used_entry_is_evicted(empty_cache, monkeypatch):
    array = np.zeros(100_000, np.uint8)
    monkeypatch.setenv("HALSTED_CACHE_GB", "0.00035")  # room for three
    for age, key in enumerate(["old", "used", "young"]):
        cached_arrays(key, lambda: {"a": array})
        os.utime(empty_cache / key, (1000 + age, 1000 + age))
    os.utime(empty_cache / "old", (1000, 1000))
    find_cached("used")
    cached_arrays("new", lambda: {"a": array})
    assert {path.name for path in empty_cache.iterdir()} == {"used", "young", "new"}


def test_evicted_arrays_stay_readable_while_open(empty_cache, monkeypatch):
    opened = cached_arrays("first", lambda: {"a": np.full(1000, 7)})
    monkeypatch.setenv("HALSTED_CACHE_GB", "0")
    cached_arrays("second", lambda: {"a": np.zeros(3)})
    assert find_cached("first") is None
    np.testing.assert_array_equal(opened["a"], 7)


def test_limit_that_is_no_number(empty_cache, monkeypatch):
    monkeypatch.setenv("HALSTED_CACHE_GB", "much")
    with pytest.raises(HalstedError, match="HALSTED_CACHE_GB is 'much'"):
        cached_arrays("key", lambda: {"a": np.zeros(3)})


def test_cache_that_cannot_be_made(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HALSTED_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(OutputError, match="cannot make the folder"):
        _patient().stored()


def test_keys_tell_their_parts_apart():
    assert cache_key("a", 1) == cache_key("a", 1)
    assert len({cache_key("a", 1), cache_key("a", 2), cache_key("a1"), cache_key("b", 1)}) == 4
