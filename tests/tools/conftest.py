import pytest

from tests.http.conftest import Bank


@pytest.fixture
def bank() -> Bank:
    """The app over memory."""
    return Bank()
