"""The S3 endpoint: what it removes by itself."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import endpoints
import pytest
from endpoints import BUCKET
from s3_support import wait_until

from local.database import Database
from local.s3.blobs import Blobs
from local.s3.lifecycle import LifecycleRule, sweep
from local.s3.records import TAGGING, StoredObject, Upload
from local.s3.store import SCHEMA, Store
from local.s3.uploads import Uploads

NOW = datetime(2030, 1, 31, tzinfo=UTC)
RULES: list[dict[str, Any]] = [
    {"Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}},
    {
        "Status": "Enabled",
        "ExpirationInDays": 20,
        "TagFilters": [{"Key": "keep", "Value": "20-days"}],
    },
    {"Status": "Enabled", "ExpirationInDays": 5, "Prefix": "scratch/"},
    {"Status": "Disabled", "ExpirationInDays": 1},
]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(Database(tmp_path / "index.sqlite", SCHEMA), Blobs(tmp_path))


def put(store: Store, key: str, days: int, tags: str = "") -> None:
    headers = {TAGGING: tags} if tags else {}
    new = StoredObject(key, (), "0", NOW - timedelta(days=days), headers)
    store.put(BUCKET, new, lambda _: None, lambda _: None)


def test_old_objects_go_by_prefix_and_tag(store: Store) -> None:
    for days in (1, 6, 21):
        put(store, f"scratch/{days}", days)
        put(store, f"plain/{days}", days)
        put(store, f"tagged/{days}", days, "a=b&keep=20-days")
        put(store, f"other/{days}", days, "keep=for-ever")
    rules = [LifecycleRule.read(rule) for rule in RULES]
    sweep(BUCKET, rules, store, Uploads(store.database, store.blobs), NOW)
    left = [found.key for found in store.keys_from(BUCKET, "", None, 100)]
    assert [key for key in left if key.startswith("scratch/")] == ["scratch/1"]
    assert [key for key in left if key.startswith("tagged/")] == ["tagged/1", "tagged/6"]
    assert len([key for key in left if key.startswith(("plain/", "other/"))]) == 6


def test_unfinished_uploads_go(store: Store) -> None:
    uploads = Uploads(store.database, store.blobs)
    old = Upload("old", BUCKET, "k", NOW - timedelta(days=8), {})
    uploads.create(old)
    uploads.create(replace(old, upload_id="new", started=NOW - timedelta(days=6)))
    sweep(BUCKET, [LifecycleRule.read(rule) for rule in RULES], store, uploads, NOW)
    assert [one.upload_id for one in uploads.of_bucket(BUCKET, "")] == ["new"]


def test_the_endpoint_sweeps_when_it_starts(tmp_path: Path) -> None:
    store = Store(Database(tmp_path / "s3" / "index.sqlite", SCHEMA), Blobs(tmp_path / "s3"))
    put(store, "scratch/new", -10_000)
    put(store, "scratch/old", 40_000)
    settings = {"buckets": {BUCKET: {"lifecycle": RULES}}}
    with endpoints.running("s3", tmp_path / "s3", settings) as endpoint:
        s3 = endpoints.client("s3", endpoint)

        def keys() -> list[str]:
            return [one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]

        wait_until(lambda: keys() == ["scratch/new"])
