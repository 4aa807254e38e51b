"""Ten thousand broken headers: each is read or refused, none crashes, none takes long."""

import gc
import json
import random
import struct
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from lambdas.models import inspection, safetensors
from lambdas.models.safetensors import NotSafetensors
from tests.unit.model_headers import kohya
from tests.unit.test_inspection import KINDS, header_of

SEED = 20_261_122
ROUNDS = 10_000
MOST_SECONDS = 0.050
METADATA = {
    "ss_tag_frequency": json.dumps({"10_x": {"x": 3, "red": 1}}),
    "ss_network_dim": "8",
    "modelspec.architecture": "stable-diffusion-v1/lora",
}
NONSENSE = (
    *(None, True, -1, 0, 2**63, 2**200, 1.5, "", "F16", "\ud800", [], [[]], {}, [None]),
    *([2**62, 2**62], [0, 0], [-1, 1], [1] * 500, "x" * 5000, {"dtype": "F16"}),
)


# As many layers as a LoRA of SD 1.5 has.
WHOLE_LORA = kohya(
    {f"lora_unet_down_blocks_{n}_attentions_0_attn2_to_k": (320, 768) for n in range(264)}, 8
)


@pytest.fixture
def heap_of_other_tests_is_left_alone() -> Iterator[None]:
    """A collection of all that the test session holds takes 50 ms by itself."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def sound_headers() -> list[bytes]:
    shapes = [(kind[0], kind[1]) for kind in KINDS.values()] + [(WHOLE_LORA, {})]
    return [header_of(one, METADATA | metadata) for one, metadata in shapes]


def with_changed_bytes(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content))]


def with_a_piece_twice(content: bytes, chance: random.Random) -> bytes:
    first = chance.randrange(8, len(content))
    last = min(len(content), first + chance.randrange(1, 200))
    return framed(content[8:last] + content[first:last] * chance.randint(1, 20) + content[last:])


def with_nonsense(content: bytes, chance: random.Random) -> bytes:
    entries = json.loads(content[8:])
    for _ in range(chance.randint(1, 3)):
        name = chance.choice(list(entries))
        entry = entries[name]
        if isinstance(entry, dict) and entry and chance.random() < 0.8:
            entry[chance.choice(list(entry))] = chance.choice(NONSENSE)
        else:
            entries[name] = chance.choice(NONSENSE)
    return framed(json.dumps(entries).encode())


def with_another_length(content: bytes, chance: random.Random) -> bytes:
    length = chance.choice([0, 1, len(content), 2**24, 2**24 + 1, 2**63, 2**64 - 1])
    return struct.pack("<Q", length) + content[8:]


def of_brackets(content: bytes, chance: random.Random) -> bytes:
    piece = chance.choice([b"[", b'{"a":', b'[{"a":', b"[1,", b'"\\u'])
    return framed(b'{"w":' + piece * chance.randint(1, 3000))


def framed(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


BREAKERS = (
    *(with_changed_bytes, cut, with_a_piece_twice, with_nonsense, with_another_length, of_brackets),
)


def outcome(content: bytes, size: int) -> str:
    """Return what became of a header, one of the two that may."""
    try:
        header = safetensors.read_header(lambda first, to: (content[first : to + 1], size))
        inspection.inspect(header).facts.model_dump_json()
    except NotSafetensors as error:
        return "refused" if str(error) else "refused without a word"
    return "read"


@pytest.mark.usefixtures("heap_of_other_tests_is_left_alone")
def test_ten_thousand_broken_headers_are_read_or_refused_in_no_time() -> None:
    chance = random.Random(SEED)
    sound = sound_headers()
    outcomes: Counter[str] = Counter()
    slow: list[tuple[float, str, int]] = []
    for number in range(ROUNDS):
        breaker = chance.choice(BREAKERS)
        content = breaker(chance.choice(sound), chance)
        size = chance.choice([len(content), len(content) + 2, 2**33])
        began = time.process_time()
        outcomes[outcome(content, size)] += 1
        took = time.process_time() - began
        if took > MOST_SECONDS:
            slow.append((took, breaker.__name__, number))

    assert set(outcomes) <= {"refused", "read"}
    assert outcomes["refused"] > ROUNDS / 2
    assert slow == []


def test_some_broken_headers_can_still_be_read() -> None:
    """Else the fuzzing would only ever see the first check."""
    chance = random.Random(SEED)
    read = 0
    for content in sound_headers() * 20:
        entries = json.loads(content[8:])
        sizes = [one["data_offsets"][1] for key, one in entries.items() if key != "__metadata__"]
        entries["__metadata__"][chance.choice(["ss_network_dim", "a"])] = "x" * chance.randint(
            0, 99
        )
        text = framed(json.dumps(entries).encode())
        read += outcome(text, len(text) + max(sizes)) == "read"

    assert read == (len(KINDS) + 1) * 20


@pytest.mark.parametrize(
    "text",
    [
        b'{"w":' + b"[" * 16_000_000,
        b'{"w":[' + b"[]," * 5_000_000 + b"[]]}",
        b'{"w":[' + b"1," * 7_900_000 + b"1]}",
        b'{"w":"' + b"\\u0041" * 2_600_000 + b'"}',
        b'{"w":' + b"9" * 16_000_000 + b"}",
    ],
    ids=["deep", "wide", "long", "escaped", "number"],
)
def test_the_longest_header_that_is_read_takes_little_time(text: bytes) -> None:
    content = framed(text)
    began = time.process_time()

    assert outcome(content, 2**33) == "refused"
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize(
    "text",
    [
        b'{"w":{"dtype":"F16","shape":[1],"data_offsets":[0,2]},'
        b'"w":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}}',
        b'{"w":{"dtype":"F16","dtype":"F32","shape":[1],"data_offsets":[0,2]}}',
        b'{"__metadata__":{"a":"b","a":"c"},"w":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}}',
    ],
)
def test_a_key_that_stands_twice_is_refused_since_readers_differ_in_which_they_take(
    text: bytes,
) -> None:
    content = framed(text)

    with pytest.raises(NotSafetensors, match="stands twice"):
        safetensors.read_header(lambda first, to: (content[first : to + 1], len(content) + 2))
