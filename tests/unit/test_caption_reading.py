"""Captions as sd-scripts reads them, and how long CLIP finds them."""

import pytest

from lambdas.asset_worker.captions import about_tokens, read_caption


def codes(data: bytes, *, required: bool = True) -> list[tuple[str, str]]:
    read = read_caption("a.txt", data, len(data), required=required)
    return [(one.code, one.severity) for one in read.findings]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [  # counted with the tokenizer of openai/clip-vit-large-patch14
        ("a photo of a small white rabbit sitting in the tall green grass, looking at the viewer, soft light", 21),
        ("1girl, solo, long_hair, looking_at_viewer, blush, smile, open_mouth, bangs, blue_eyes, simple_background, white_background", 36),
        ("一只白色的兔子坐在草地上，看着镜头", 40),
        ("うさぎのイラスト、かわいい", 16),
        ("кролик сидит в траве", 20),
        ("an oil painting by vincent van gogh of the countryside at night with swirling clouds", 16),
    ],
)  # fmt: skip
def test_the_estimate_of_tokens_is_within_a_fifth(text: str, tokens: int) -> None:
    assert about_tokens(text) == pytest.approx(tokens, rel=0.2)


@pytest.mark.parametrize(
    "data", [b"a rabbit", b"a rabbit\r\n", b"a rabbit\n\n", "a\u2028b".encode()]
)
def test_one_line_is_a_caption_however_it_ends(data: bytes) -> None:
    assert codes(data) == []


@pytest.mark.parametrize("data", [b"", b"\n", b"  \r\n", b"\xef\xbb\xbf"])
def test_a_caption_without_words_is_an_error_only_where_captions_are_required(data: bytes) -> None:
    assert codes(data)[-1] == ("caption_empty", "error")
    assert codes(data, required=False)[-1] == ("caption_empty", "info")


def test_old_line_ends_count_as_lines() -> None:
    assert codes(b"a rabbit\rin the grass") == [("caption_lines", "info")]


def test_words_behind_an_empty_first_line_are_not_read() -> None:
    assert codes(b"\na rabbit") == [("caption_empty", "error")]
