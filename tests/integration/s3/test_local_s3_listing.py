"""The S3 endpoint: listing keys."""

import time
from typing import Any

import httpx
import pytest
from endpoints import BUCKET


@pytest.fixture(scope="module")
def shelf(s3: Any) -> list[str]:
    """Keys whose order by UTF-8 bytes is not the one of UTF-16 or of people."""
    names = ["Z", "a", "a/1", "a/2", "a/b/3", "a0", "ä", "日本/1", "日本/2", "ﬀ", "🎨/1", "𐀀"]
    for name in reversed(names):
        s3.put_object(Bucket="quiet", Key=f"shelf/{name}", Body=name.encode())
    return sorted(names, key=str.encode)


def listed(s3: Any, **more: Any) -> tuple[list[str], list[str]]:
    start, keys, prefixes = len("shelf/"), [], []
    pages = s3.get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket="quiet", **{"Prefix": "shelf/", **more}):
        assert page["KeyCount"] == len(page.get("Contents", [])) + len(
            page.get("CommonPrefixes", [])
        )
        keys += [one["Key"][start:] for one in page.get("Contents", [])]
        prefixes += [one["Prefix"][start:] for one in page.get("CommonPrefixes", [])]
    return keys, prefixes


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_listing_is_in_the_order_of_utf_8_bytes(s3: Any, shelf: list[str], size: int) -> None:
    assert listed(s3, PaginationConfig={"PageSize": size}) == (shelf, [])


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_a_delimiter_groups_keys(s3: Any, shelf: list[str], size: int) -> None:
    keys, prefixes = listed(s3, Delimiter="/", PaginationConfig={"PageSize": size})
    assert keys == [name for name in shelf if "/" not in name]
    assert prefixes == ["a/", "日本/", "🎨/"]


def test_a_delimiter_within_a_prefix(s3: Any, shelf: list[str]) -> None:
    assert listed(s3, Prefix="shelf/a/", Delimiter="/") == (["a/1", "a/2"], ["a/b/"])


def test_listing_starts_after_a_key(s3: Any, shelf: list[str]) -> None:
    keys, _ = listed(s3, StartAfter="shelf/a/2")
    assert keys == shelf[shelf.index("a/2") + 1 :]
    keys, prefixes = listed(s3, StartAfter="shelf/a/1", Delimiter="/")
    assert (keys[0], prefixes[0]) == ("a0", "a/")


def test_listing_as_the_first_version_did(s3: Any, shelf: list[str]) -> None:
    pages = s3.get_paginator("list_objects").paginate(
        Bucket="quiet", Prefix="shelf/", PaginationConfig={"PageSize": 5}
    )
    assert [one["Key"][6:] for page in pages for one in page["Contents"]] == shelf


def test_max_keys_zero_lists_nothing(s3: Any, shelf: list[str]) -> None:
    answer = s3.list_objects_v2(Bucket="quiet", MaxKeys=0)
    assert (answer["KeyCount"], answer["IsTruncated"]) == (0, False)


def test_a_listing_by_hand_without_url_encoding(s3: Any, shelf: list[str]) -> None:
    url = s3.generate_presigned_url(
        "list_objects_v2", Params={"Bucket": "quiet", "Prefix": "shelf/日", "EncodingType": "url"}
    )
    assert "<Key>shelf/%E6%97%A5%E6%9C%AC/1</Key>" in httpx.get(url).text


def test_many_folders_are_listed_quickly(s3: Any) -> None:
    for number in range(60):
        s3.put_object(Bucket=BUCKET, Key=f"many/{number % 20:02}/{number:03}", Body=b"")
    began = time.monotonic()
    for size in (1, 7, 1000):
        pages = s3.get_paginator("list_objects_v2").paginate(
            Bucket=BUCKET, Prefix="many/", Delimiter="/", PaginationConfig={"PageSize": size}
        )
        found = [one["Prefix"] for page in pages for one in page["CommonPrefixes"]]
        assert found == [f"many/{number:02}/" for number in range(20)]
    assert time.monotonic() - began < 2
