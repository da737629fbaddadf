"""The doors stand open as for a user, whose calls no checker of types stops."""

import pytest
from jaxtyping import config


@pytest.fixture(autouse=True)
def _no_type_checker():
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)
