"""The S3 endpoint: what it tells EventBridge."""

import re
import time
from pathlib import Path
from typing import Any

import endpoints
from endpoints import BUCKET, REGION, EventBus
from s3_support import BUCKETS, complete, events_of, put_parts, start_upload


def test_a_new_object_is_told_in_eventbridges_shape(s3: Any, bus: EventBus, key: str) -> None:
    etag = s3.put_object(Bucket=BUCKET, Key=f"{key}/ä b", Body=b"12345")["ETag"]
    bus.wait(lambda _: bool(events_of(bus, f"{key}/ä b")))
    (event,) = events_of(bus, f"{key}/ä b")
    detail = event["detail"]
    assert event["source"] == "aws.s3"
    assert event["detail-type"] == "Object Created"
    assert event["resources"] == [f"arn:aws:s3:::{BUCKET}"]
    assert (event["version"], event["account"], event["region"]) == ("0", "000000000000", REGION)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", event["time"])
    assert detail["version"] == "0"
    assert detail["bucket"] == {"name": BUCKET}
    assert detail["object"]["size"] == 5
    assert detail["object"]["etag"] == etag.strip('"')
    assert re.fullmatch(r"[0-9A-F]{18}", detail["object"]["sequencer"])
    assert (detail["requester"], detail["source-ip-address"]) == ("000000000000", "127.0.0.1")
    assert (detail["reason"], len(detail["request-id"])) == ("PutObject", 16)


def test_copies_multipart_uploads_and_deletions_are_told_too(
    s3: Any, bus: EventBus, key: str
) -> None:
    upload = start_upload(s3, key)
    complete(s3, key, upload, put_parts(s3, key, upload, {1: b"x"}))
    s3.delete_object(Bucket=BUCKET, Key=key)
    s3.put_object(Bucket="quiet", Key=key, Body=b"untold")
    s3.copy_object(Bucket=BUCKET, Key=key, CopySource={"Bucket": "quiet", "Key": key})
    bus.wait(lambda _: len(events_of(bus, key)) == 3)
    reasons = [event["detail"]["reason"] for event in events_of(bus, key)]
    assert reasons == ["CompleteMultipartUpload", "DeleteObject", "CopyObject"]
    order = [event["detail"]["object"]["sequencer"] for event in events_of(bus, key)]
    assert order == sorted(order)


def test_a_bus_that_refuses_twice_gets_the_event_and_the_answer_does_not_wait(
    s3: Any, bus: EventBus, key: str
) -> None:
    bus.refusals = 2
    began = time.monotonic()
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    assert time.monotonic() - began < 0.2
    bus.wait(lambda _: bool(events_of(bus, key)))
    assert bus.refusals == 0


def test_events_that_nobody_took_are_sent_after_a_restart(tmp_path: Path) -> None:
    settings = {"buckets": BUCKETS, "events_url": "http://127.0.0.1:9/nobody"}
    first = endpoints.start("s3", tmp_path / "s3", settings)
    endpoints.client("s3", first).put_object(Bucket=BUCKET, Key="late", Body=b"x")
    first.kill()
    with endpoints.event_bus() as bus:
        settings["events_url"] = bus.url
        with endpoints.running("s3", tmp_path / "s3", settings):
            bus.wait(lambda _: bool(events_of(bus, "late")))
