"""Both endpoints, as the tests of the SageMaker endpoint use them."""

from collections.abc import Iterator

import endpoints
import pytest
from endpoints import BUCKET, Endpoint, EventBus
from sagemaker_support import Stack, settings, stack_of


@pytest.fixture(scope="session")
def bus() -> Iterator[EventBus]:
    with endpoints.event_bus() as found:
        yield found


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    root = tmp_path_factory.mktemp("s3-state") / "s3"
    buckets = {"buckets": {BUCKET: {"cors": [], "event_bridge": False}}}
    with endpoints.running("s3", root, buckets) as found:
        endpoints.client("s3", found).put_object(Bucket=BUCKET, Key="input/job.json", Body=b"{}")
        yield found


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, s3: Endpoint, bus: EventBus) -> Iterator[Stack]:
    root = tmp_path_factory.mktemp("state")
    with endpoints.running("sagemaker", root / "sagemaker", settings(s3, bus)) as found:
        yield stack_of(root, s3, bus, found)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return request.node.name.replace("_", "-")[5:60].rstrip("-").split("[")[0]
