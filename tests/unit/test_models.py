"""Models: what a file is, is read from its header; what will not do is told and frees its name."""

import json
import struct

import pytest

from lambdas.models import inspection, safetensors
from lambdas.models.safetensors import NotSafetensors
from lambdas.models.schema import part_size_for
from tests.unit.fakes import LORA, SD_1_5, SD_XL, AwsCalls, Client, safetensors_file
from tests.unit.scenes import MODELS, TRAININGS, complete_model, ready_dataset, ready_model

pytestmark = pytest.mark.usefixtures("aws_calls")
MIB = 1024**2
GIB = 1024**3


def read(content: bytes) -> safetensors.Header:
    return safetensors.read_header(lambda first, last: (content[first : last + 1], len(content)))


def with_header(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype: str = "F16", shape: object = (1,), offsets: object = (0, 2)) -> dict:
    return {"w": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


def test_a_model_is_made_with_an_upload_for_each_part() -> None:
    size = 40 * MIB

    answer = MODELS.post("/models", {"name": "b", "file_name": "b.safetensors", "size": size})

    assert answer.status == 201
    assert [part["size"] for part in answer.body["parts"]] == [16 * MIB, 16 * MIB, 8 * MIB]
    assert "partNumber=3" in answer.body["parts"][2]["upload"]["url"]


@pytest.mark.parametrize("size", [9, 16 * MIB, 7 * GIB, 50 * GIB])
def test_every_size_fits_into_nine_thousand_parts_of_at_least_16_mib(size: int) -> None:
    part = part_size_for(size)

    assert part >= 16 * MIB
    assert part % MIB == 0
    assert -(-size // part) <= 9000


@pytest.mark.parametrize(("shapes", "family"), [(SD_1_5, "sd_1_5"), (SD_XL, "sd_xl")])
def test_the_family_is_read_from_the_header_in_one_ranged_read(
    shapes: dict, family: str, aws_calls: AwsCalls
) -> None:
    answer = complete_model(safetensors_file(shapes))

    assert (answer.body["status"], answer.body["fm_type"]) == ("ready", family)
    assert aws_calls.made.count("GetObject") == 1


def test_an_inpainting_model_is_neither_family() -> None:
    nine_channels = SD_1_5 | {"model.diffusion_model.input_blocks.0.0.weight": [320, 9, 3, 3]}

    assert complete_model(safetensors_file(nine_channels)).body["fm_type"] == "other"


@pytest.mark.parametrize("part", ["cond_stage_model", "first_stage_model"])
def test_a_checkpoint_that_lacks_a_part_that_kohya_loads_is_neither_family(part: str) -> None:
    lacking = {name: shape for name, shape in SD_1_5.items() if not name.startswith(part)}

    assert complete_model(safetensors_file(lacking)).body["fm_type"] == "other"


@pytest.mark.parametrize(
    ("content", "code", "word"),
    [
        (safetensors_file(SD_1_5)[:-1], "truncated", "upload the whole"),
        (safetensors_file(SD_1_5)[:100], "truncated", "header alone"),
        (safetensors_file(SD_1_5) + b"x", "not_safetensors", "follow the last tensor"),
        (b"PK\x03\x04" + bytes(64), "not_safetensors", "pickle"),
        (b"<!DOCTYPE html><html></html>", "not_safetensors", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "not_safetensors", "git lfs pull"),
        (bytes(64), "not_safetensors", "does not begin"),
        (safetensors_file(LORA), "wrong_type", "is lora"),
    ],
)
def test_a_file_that_will_not_do_is_told_and_gives_its_name_back(
    content: bytes, code: str, word: str
) -> None:
    answer = complete_model(content)
    model = MODELS.get("/models").body["data"][0]
    again = MODELS.post("/models", {"name": "base", "file_name": "b.safetensors", "size": 99})

    assert (answer.status, answer.body["code"]) == (422, code)
    assert word in answer.body["detail"]
    assert (model["status"], model["invalid_reason"]["code"]) == ("invalid", code)
    assert again.status == 201


@pytest.mark.parametrize(
    "content",
    [
        with_header(b"{"),
        with_header([]),
        with_header({}),
        with_header({"__metadata__": {"a": "b"}}),
        with_header({"__metadata__": 1} | entry(), b"ab"),
        with_header({"w": 1}),
        with_header(entry(dtype="X1"), b"ab"),
        with_header(entry(shape="1"), b"ab"),
        with_header(entry(shape=[-1]), b"ab"),
        with_header(entry(shape=[True]), b"ab"),
        with_header(entry(shape=[2]), b"ab"),
        with_header(entry(offsets=[0]), b"ab"),
        with_header(entry(offsets=[1, 3]), b"abc"),
        with_header(entry(offsets=[2, 0]), b"ab"),
        with_header(entry() | {"v": entry()["w"]}, b"ab"),
        with_header(b"[" * 100_000),
        struct.pack("<Q", 2**63) + b"{" + bytes(20),
    ],
)
def test_a_header_that_is_not_sound_is_refused(content: bytes) -> None:
    with pytest.raises(NotSafetensors):
        read(content)


def test_a_header_longer_than_the_first_read_takes_one_more() -> None:
    spans: list[tuple[int, int]] = []
    content = safetensors_file(SD_1_5, {"long": "x" * safetensors.FIRST_READ_BYTES})

    def reader(first: int, last: int) -> tuple[bytes, int]:
        spans.append((first, last))
        return content[first : last + 1], len(content)

    header = safetensors.read_header(reader)

    assert set(header.tensors) == set(SD_1_5)
    assert len(spans) == 2


def test_a_lora_tells_its_rank_and_family() -> None:
    metadata = {
        "ss_network_dim": "4",
        "ss_network_alpha": "2.0",
        "ss_base_model_version": "sd_v1",
        "lorastack_engine": "rehearsal",
    }

    found = inspection.inspect(read(safetensors_file(LORA, metadata)))

    assert (found.type, found.fm_type) == ("lora", "sd_1_5")
    assert (found.facts.rank, found.facts.alpha, found.facts.engine) == (4, 2.0, "rehearsal")


def test_completing_again_answers_the_same_and_too_few_parts_are_refused() -> None:
    model_id = ready_model()
    parts = {"parts": [{"part_number": 1, "etag": "e"}]}
    made = MODELS.post("/models", {"name": "two", "file_name": "b.safetensors", "size": 20 * MIB})

    again = MODELS.post(f"/models/{model_id}/complete", parts)
    few = MODELS.post(f"/models/{made.body['model']['id']}/complete", parts)

    assert (again.status, again.body["status"]) == (200, "ready")
    assert (few.status, few.body["code"], few.pointers) == (422, "parts_refused", ["/parts"])


def test_a_part_that_s3_does_not_know_is_refused_and_the_upload_goes_on() -> None:
    size = len(safetensors_file(SD_1_5))
    made = MODELS.post("/models", {"name": "b", "file_name": "b.safetensors", "size": size}).body
    model_id = made["model"]["id"]

    answer = MODELS.post(
        f"/models/{model_id}/complete", {"parts": [{"part_number": 1, "etag": '"nope"'}]}
    )

    assert (answer.status, answer.body["code"]) == (422, "parts_refused")
    assert MODELS.get(f"/models/{model_id}").body["status"] == "uploading"
    fresh = MODELS.post(f"/models/{model_id}/uploads", {"part_numbers": [1]})
    assert fresh.body["parts"][0]["size"] == size


def test_a_ready_model_has_a_download_url_that_saves_under_its_name() -> None:
    answer = MODELS.get(f"/models/{ready_model()}")

    assert "response-content-disposition" in answer.body["download"]["url"]
    assert "base.safetensors" in answer.body["download"]["url"]


@pytest.mark.parametrize("name", ["b.ckpt", "b.pt", "../b.safetensors", 'a".safetensors'])
def test_a_file_name_that_will_not_do_is_named(name: str) -> None:
    answer = MODELS.post("/models", {"name": "b", "file_name": name, "size": 100})

    assert (answer.status, answer.pointers) == (422, ["/file_name"])


def test_models_are_listed_by_type_through_an_index(aws_calls: AwsCalls) -> None:
    ready_model()
    aws_calls.reset()

    assert len(MODELS.get("/models", type="checkpoint").body["data"]) == 1
    assert MODELS.get("/models", type="lora").body["data"] == []
    assert aws_calls.made == ["Query", "Query"]
    assert MODELS.get("/models", type="song").pointers == ["query:type"]


def test_another_workspace_sees_nothing_of_a_model() -> None:
    model_id = ready_model()
    stranger = Client(MODELS.handler, workspace="other")

    assert stranger.get(f"/models/{model_id}").status == 404
    assert stranger.post(f"/models/{model_id}/uploads", {"part_numbers": [1]}).status == 404
    assert stranger.get("/models").body["data"] == []


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        (
            SD_1_5 | {"model.diffusion_model.input_blocks.0.0.weight": [320, 9, 3, 3]},
            "sd_1_5, an inpainting model",
        ),
        (
            {name: shape for name, shape in SD_XL.items() if not name.startswith("first_stage")},
            "sd_xl, of the parts diffusion, text_encoder",
        ),
    ],
)
def test_a_training_on_a_model_that_can_not_be_trained_is_told_what_it_is(
    shapes: dict, words: str
) -> None:
    ready_model(shapes=shapes)
    ready_dataset()
    wanted = {"name": "style", "model": "base", "datasets": [{"dataset": "tusiji"}]}

    answer = TRAININGS.post("/trainings", wanted)

    assert answer.pointers == ["/model"]
    assert words in answer.body["errors"][0]["message"]
