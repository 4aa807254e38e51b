"""The S3 endpoint: Content-MD5 and additional checksums."""

import base64
import hashlib
import zlib
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError
from endpoints import BUCKET
from s3_support import MEBI, code, complete, presigned, start_upload, xml_code


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_additional_checksums_are_checked_and_given_back(s3: Any, key: str, algorithm: str) -> None:
    name = f"Checksum{algorithm}"
    put = s3.put_object(Bucket=BUCKET, Key=key, Body=b"x", ChecksumAlgorithm=algorithm)
    head = s3.head_object(Bucket=BUCKET, Key=key, ChecksumMode="ENABLED")
    assert put[name] == head[name]
    assert head["ChecksumType"] == "FULL_OBJECT"
    assert name not in s3.head_object(Bucket=BUCKET, Key=key)
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"y", **{name: put[name]})
    assert code(error) == (400, "BadDigest")
    assert s3.get_object(Bucket=BUCKET, Key=key, ChecksumMode="ENABLED")["Body"].read() == b"x"


@pytest.mark.parametrize("algorithm", ["CRC32C", "CRC64NVME"])
def test_checksums_that_we_cannot_compute_are_kept_as_sent(
    s3: Any, key: str, algorithm: str
) -> None:
    name = f"Checksum{algorithm}"
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"x", **{name: "AAAAAA=="})
    assert s3.head_object(Bucket=BUCKET, Key=key, ChecksumMode="ENABLED")[name] == "AAAAAA=="


def test_content_md5_is_checked(s3: Any, key: str) -> None:
    good = base64.b64encode(hashlib.md5(b"x").digest()).decode()
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"x", ContentMD5=good)
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"y", ContentMD5=good)
    assert code(error) == (400, "BadDigest")
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"y", ContentMD5="bm9uc2Vuc2U=")
    assert code(error) == (400, "InvalidDigest")
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"x"


def test_an_upload_with_a_composite_checksum_wants_it_of_every_part(s3: Any, key: str) -> None:
    upload = start_upload(s3, key, ChecksumAlgorithm="CRC32")
    url = presigned(s3, "upload_part", key, UploadId=upload, PartNumber=1)
    answer = httpx.put(url, content=b"x")
    assert xml_code(answer) == (400, "InvalidRequest")
    assert "expected checksum Type: crc32, actual checksum Type: null" in answer.text
    part = s3.upload_part(Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=1, Body=b"x")
    with pytest.raises(ClientError) as error:
        complete(s3, key, upload, [{"PartNumber": 1, "ETag": part["ETag"]}])
    assert code(error) == (400, "InvalidRequest")
    named = {"PartNumber": 1, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]}
    done = complete(s3, key, upload, [named])
    crc = zlib.crc32(zlib.crc32(b"x").to_bytes(4, "big")).to_bytes(4, "big")
    assert done["ChecksumCRC32"] == f"{base64.b64encode(crc).decode()}-1"
    assert done["ChecksumType"] == "COMPOSITE"


def test_a_full_object_crc32_of_parts_is_checked(s3: Any, key: str) -> None:
    bodies = {1: b"a" * 5 * MEBI, 2: b"tail"}
    whole = zlib.crc32(bodies[1] + bodies[2]).to_bytes(4, "big")
    right, wrong = base64.b64encode(whole).decode(), "AAAAAA=="
    upload = start_upload(s3, key, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    parts = [
        s3.upload_part(Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=number, Body=body)
        for number, body in bodies.items()
    ]
    named = [{"PartNumber": n, "ETag": part["ETag"]} for n, part in enumerate(parts, start=1)]
    with pytest.raises(ClientError) as error:
        complete(s3, key, upload, named, ChecksumCRC32=wrong, ChecksumType="FULL_OBJECT")
    assert code(error) == (400, "BadDigest")
    done = complete(s3, key, upload, named, ChecksumCRC32=right, ChecksumType="FULL_OBJECT")
    assert (done["ChecksumCRC32"], done["ChecksumType"]) == (right, "FULL_OBJECT")
