"""s3:// addresses."""

from dataclasses import dataclass


@dataclass(frozen=True)
class S3Uri:
    """A bucket and a key or a prefix."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, text: str) -> "S3Uri":
        """Read s3://bucket/key."""
        bucket, _, key = text.partition("://")[2].partition("/")
        return cls(bucket, key)

    @property
    def folder(self) -> "S3Uri":
        """The same with a slash at its end."""
        return S3Uri(self.bucket, f"{self.key.rstrip('/')}/" if self.key else "")

    def __truediv__(self, name: str) -> "S3Uri":
        """Return what lies in this folder under a name."""
        return S3Uri(self.bucket, self.folder.key + name)

    def __str__(self) -> str:
        """Return it as s3://bucket/key."""
        return f"s3://{self.bucket}/{self.key}"
