"""What all tests share: a cache of their own, and the folder of real data where there is one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def _cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Point the cache to a temporary folder, or to ``HALSTED_TEST_CACHE`` to keep it."""
    with pytest.MonkeyPatch.context() as patch:
        kept = os.environ.get("HALSTED_TEST_CACHE")
        patch.setenv("HALSTED_CACHE", kept or str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real scans, which are not distributed with the project."""
    given = os.environ.get("HALSTED_DATA")
    if not given:
        pytest.skip("HALSTED_DATA is not set to the folder of real scans")
    folder = Path(given)
    assert folder.is_dir(), f"HALSTED_DATA is {given}, which is no folder"
    return folder
