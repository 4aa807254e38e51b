"""The S3 endpoint that its tests share."""

from typing import Any

import endpoints
import pytest
from endpoints import Endpoint, EventBus
from s3_support import shared


@pytest.fixture
def bus() -> EventBus:
    return shared().bus


@pytest.fixture
def endpoint() -> Endpoint:
    return shared().endpoint


@pytest.fixture(scope="session")
def s3() -> Any:
    """The operator's client of the shared endpoint."""
    return endpoints.client("s3", shared().endpoint)


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    """A key of the test's own."""
    return f"{request.node.name}/object"
