"""The SageMaker endpoint: who may do what."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import endpoints
import pytest
from botocore.exceptions import ClientError
from endpoints import REGION, SECRET, Endpoint, EventBus
from sagemaker_support import ROLE, code, request, settings

from local.credentials import OPERATOR
from local.endpoint import EndpointSettings
from local.http_server import HttpServer
from local.sagemaker.__main__ import build


@dataclass
class Grants:
    """Stands where local.iam reads the template's roles."""

    allowances: set[tuple[str, str]] = field(default_factory=set)
    passed: dict[str, str] | None = None

    def allowed(
        self,
        access_key_id: str,
        action: str,
        resource_arn: str,
        context: dict[str, str] | None = None,
    ) -> bool:
        if action == "iam:PassRole":
            self.passed = context
        return access_key_id == OPERATOR or (action, resource_arn) in self.allowances


def test_each_operation_asks_for_its_action(tmp_path: Path, s3: Endpoint, bus: EventBus) -> None:
    grants = Grants()
    written = EndpointSettings(SECRET, **settings(s3, bus))
    application, end = build(written, tmp_path / "sagemaker", grants)
    server = HttpServer(application, 0)
    server.start()
    here = Endpoint(None, f"http://127.0.0.1:{server.port}")  # type: ignore[arg-type]
    client = endpoints.client("sagemaker", here, "LOCALFUNCTION")
    arn = f"arn:aws:sagemaker:{REGION}:000000000000:training-job/guarded"
    named = {"TrainingJobName": "guarded"}
    creating = request("guarded", "time.sleep(30)", Tags=[{"Key": "a", "Value": "1"}])
    steps: list[tuple[str, str, Any, dict[str, Any]]] = [
        ("sagemaker:CreateTrainingJob", arn, client.create_training_job, creating),
        ("iam:PassRole", ROLE, client.create_training_job, creating),
        ("sagemaker:AddTags", arn, client.create_training_job, creating),
        ("sagemaker:DescribeTrainingJob", arn, client.describe_training_job, named),
        ("sagemaker:StopTrainingJob", arn, client.stop_training_job, named),
        ("sagemaker:ListTrainingJobs", "*", client.list_training_jobs, {}),
        ("sagemaker:ListTags", arn, client.list_tags, {"ResourceArn": arn}),
    ]
    for position, (action, resource, call, parameters) in enumerate(steps):
        with pytest.raises(ClientError) as error:
            call(**parameters)
        assert code(error) == "AccessDeniedException"
        assert action in str(error.value)
        grants.allowances.add((action, resource))
        if position >= 2:
            call(**parameters)
    assert grants.passed == {"iam:PassedToService": "sagemaker.amazonaws.com"}
    end()
    server.shutdown()
    server.server_close()
