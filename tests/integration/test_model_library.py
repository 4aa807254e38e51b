"""The library of models over HTTP, with the permissions that the template gives its functions."""

import hashlib

import httpx

from tests.unit.fakes import LORA, safetensors_file

CONTENT = safetensors_file(LORA | {"w": [17 * 1024**2 // 2]})  # two parts


def test_a_lora_comes_in_two_goes_is_renamed_listed_and_deleted(api: httpx.Client) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()
    wanted = {"name": "library", "type": "lora", "file_name": "l.safetensors"}
    made = api.post("models", json=wanted | {"size": len(CONTENT), "sha256": digest}).json()
    path = f"models/{made['model']['id']}"
    send(made["parts"][1], made["part_size"])

    missing = api.get(f"{path}/uploads").json()["missing"]
    early = api.post(f"{path}/complete")
    fresh = api.post(f"{path}/uploads", json={"part_numbers": missing}).json()
    send(fresh["parts"][0], made["part_size"])
    ready = api.post(f"{path}/complete").json()

    assert (missing, early.status_code) == ([1], 409)
    assert (ready["status"], ready["sha256"], ready["sha256_checked"]) == ("ready", digest, True)

    etag = api.get(path).headers["ETag"]
    renamed = api.patch(path, json={"name": "renamed"}, headers={"If-Match": etag})
    stale = api.patch(path, json={"name": "again"}, headers={"If-Match": etag})
    listed = api.get("models", params={"type": "lora", "fm_type": "sd_1_5"}).json()["data"]
    (mine,) = (one for one in listed if one["id"] == ready["id"])

    assert (renamed.status_code, stale.status_code) == (200, 412)
    assert mine["name"] == "renamed"
    assert hashlib.sha256(httpx.get(mine["download"]["url"]).content).hexdigest() == digest
    assert api.get(f"{path}/civitai-info").json()["baseModel"] == "SD 1.5"

    assert api.delete(path).status_code == 204
    assert api.get(path).status_code == 404
    assert httpx.get(mine["download"]["url"]).status_code in {403, 404}


def send(part: dict, part_size: int) -> None:
    first = (part["part_number"] - 1) * part_size
    body = CONTENT[first : first + part["size"]]
    answer = httpx.put(part["upload"]["url"], content=body, headers=part["upload"]["headers"])
    assert answer.status_code == 200, answer.text
