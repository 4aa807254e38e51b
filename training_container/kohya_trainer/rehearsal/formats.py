"""What a file must begin with to be taken for an image."""

STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF", b"BM")


class UnidentifiedImageError(OSError):
    """What Pillow, and so sd-scripts, says to a file that is no image."""
