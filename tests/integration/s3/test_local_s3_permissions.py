"""The S3 endpoint: who may do what."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import endpoints
import pytest
from botocore.exceptions import ClientError
from endpoints import BUCKET, SECRET, Endpoint
from s3_support import BUCKETS, code

from local.credentials import OPERATOR
from local.endpoint import EndpointSettings
from local.http_server import HttpServer
from local.s3.__main__ import build


@dataclass
class Grants:
    """Stands where local.iam reads the template's roles."""

    allowances: set[tuple[str, str, str]] = field(default_factory=set)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def allowed(
        self, access_key_id: str, action: str, resource_arn: str, context: object = None
    ) -> bool:
        self.asked.append((action, resource_arn))
        return access_key_id == OPERATOR or (access_key_id, action, resource_arn) in self.allowances


@dataclass
class Guarded:
    """An endpoint in this process whose permissions a test sets."""

    grants: Grants
    operator: Any
    role: Any

    def grant(self, action: str, key: str = "") -> None:
        arn = f"arn:aws:s3:::{BUCKET}/{key}" if key else f"arn:aws:s3:::{BUCKET}"
        self.grants.allowances.add(("LOCALROLE", action, arn))


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    grants = Grants()
    application, end = build(EndpointSettings(SECRET, buckets=BUCKETS), tmp_path / "s3", grants)
    server = HttpServer(application, 0)
    server.start()
    here = Endpoint(None, f"http://127.0.0.1:{server.port}")  # type: ignore[arg-type]
    yield Guarded(grants, endpoints.client("s3", here), endpoints.client("s3", here, "LOCALROLE"))
    end()
    server.shutdown()
    server.server_close()


def refused(call: Any, **parameters: Any) -> bool:
    with pytest.raises(ClientError) as error:
        call(Bucket=BUCKET, **parameters)
    return code(error) == (403, "AccessDenied") or code(error) == (403, "403")


def test_a_missing_key_is_403_without_list_bucket(guarded: Guarded) -> None:
    guarded.grant("s3:GetObject", "none")
    assert refused(guarded.role.get_object, Key="none")
    assert refused(guarded.role.head_object, Key="none")
    guarded.grant("s3:ListBucket")
    with pytest.raises(ClientError) as error:
        guarded.role.get_object(Key="none", Bucket=BUCKET)
    assert code(error) == (404, "NoSuchKey")


def test_each_operation_asks_for_its_action(guarded: Guarded) -> None:
    s3, key = guarded.operator, "k"
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    calls: list[tuple[str, Any, dict[str, Any]]] = [
        ("s3:PutObject", guarded.role.put_object, {"Key": key, "Body": b"y"}),
        ("s3:GetObject", guarded.role.get_object, {"Key": key}),
        ("s3:GetObject", guarded.role.head_object, {"Key": key}),
        ("s3:PutObject", guarded.role.create_multipart_upload, {"Key": key}),
        ("s3:DeleteObject", guarded.role.delete_object, {"Key": key}),
    ]
    for action, call, parameters in calls:
        guarded.grants.allowances.clear()
        assert refused(call, **parameters)
        guarded.grant(action, key)
        call(Bucket=BUCKET, **parameters)
    for action, call in (
        ("s3:ListBucket", guarded.role.list_objects_v2),
        ("s3:ListBucket", guarded.role.head_bucket),
        ("s3:ListBucketMultipartUploads", guarded.role.list_multipart_uploads),
        ("s3:GetBucketLocation", guarded.role.get_bucket_location),
    ):
        guarded.grants.allowances.clear()
        assert refused(call)
        guarded.grant(action)
        call(Bucket=BUCKET)


def test_multipart_operations_ask_for_their_actions(guarded: Guarded) -> None:
    upload = guarded.operator.create_multipart_upload(Bucket=BUCKET, Key="k")["UploadId"]
    named = {"Key": "k", "UploadId": upload}
    for action, call, parameters in (
        ("s3:PutObject", guarded.role.upload_part, {"PartNumber": 1, "Body": b"x"}),
        ("s3:ListMultipartUploadParts", guarded.role.list_parts, {}),
        ("s3:AbortMultipartUpload", guarded.role.abort_multipart_upload, {}),
    ):
        assert refused(call, **named, **parameters)
        guarded.grant(action, "k")
        call(Bucket=BUCKET, **named, **parameters)


def test_a_copy_needs_reading_there_and_writing_here(guarded: Guarded) -> None:
    guarded.operator.put_object(Bucket=BUCKET, Key="from", Body=b"x")
    copy = {"Key": "to", "CopySource": {"Bucket": BUCKET, "Key": "from"}}
    guarded.grant("s3:PutObject", "to")
    assert refused(guarded.role.copy_object, **copy)
    guarded.grants.allowances.clear()
    guarded.grant("s3:GetObject", "from")
    assert refused(guarded.role.copy_object, **copy)
    guarded.grant("s3:PutObject", "to")
    guarded.role.copy_object(Bucket=BUCKET, **copy)


def test_deleting_many_refuses_each_by_itself(guarded: Guarded) -> None:
    for key in ("mine", "theirs"):
        guarded.operator.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    guarded.grant("s3:DeleteObject", "mine")
    wanted = {"Objects": [{"Key": "mine"}, {"Key": "theirs"}]}
    answer = guarded.role.delete_objects(Bucket=BUCKET, Delete=wanted)
    assert [one["Key"] for one in answer["Deleted"]] == ["mine"]
    assert [(one["Key"], one["Code"]) for one in answer["Errors"]] == [("theirs", "AccessDenied")]
    assert guarded.operator.head_object(Bucket=BUCKET, Key="theirs")["ContentLength"] == 1


def test_tags_take_a_permission_of_their_own(guarded: Guarded) -> None:
    tagged = {"Key": "k", "Body": b"x", "Tagging": "keep=40-days&a=b"}
    guarded.grant("s3:PutObject", "k")
    assert refused(guarded.role.put_object, **tagged)
    guarded.grant("s3:PutObjectTagging", "k")
    guarded.role.put_object(Bucket=BUCKET, **tagged)
    head = guarded.operator.head_object(Bucket=BUCKET, Key="k")["ResponseMetadata"]["HTTPHeaders"]
    assert head["x-amz-tagging-count"] == "2"
    assert "x-amz-tagging" not in head
