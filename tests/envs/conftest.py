"""Small patients for environment tests."""

import pytest

from halsted.imaging_bridge.cases import PhantomCase


@pytest.fixture(scope="session")
def phantoms() -> list[PhantomCase]:
    """Two phantoms that no scenario trains or tests on."""
    return [PhantomCase(5000), PhantomCase(5001)]
