"""What imports may read: inboxes, prefixes of the settings, one secret."""

import json

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from permissions import allow
from settings import DeploymentSettings
from storage import Storage

INBOXES = "*/inbox/*"


class Imports:
    """The places that files are taken in from, told to functions and granted to the worker."""

    def __init__(self, *, settings: DeploymentSettings, storage: Storage) -> None:
        self._settings, self._storage = settings, storage

    @property
    def environment(self) -> dict[str, str]:
        """What a function must know to say whether a workspace may import from a place."""
        prefixes = self._settings.import_prefixes
        return {"IMPORT_PREFIXES": json.dumps(prefixes)} if prefixes else {}

    @property
    def _prefixes(self) -> list[str]:
        given = self._settings.import_prefixes.values()
        return sorted({prefix for one in given for prefix in one})

    @property
    def worker_environment(self) -> dict[str, str]:
        """What the worker must know besides: where the tokens for gated downloads are."""
        name = self._settings.download_secret_name
        return {"DOWNLOAD_SECRET_NAME": name} if name else {}

    def grant_list(self, role: iam.Role) -> None:
        """Allows listing the folders of the settings; the bucket of ours is listed anyhow."""
        for bucket, key in map(_parted, self._prefixes):
            below = {"StringLike": {"s3:prefix": [f"{key}*"]}}
            allow(role, ["s3:ListBucket"], [_arn(role, bucket)], conditions=below)

    def grant_read(self, role: iam.Role) -> None:
        """Allows copying what may be imported, and reading the one secret."""
        self._storage.grant_objects(role, INBOXES, "GetObject")
        bucket = self._storage.bucket.bucket_arn
        allow(role, ["s3:ListBucketMultipartUploads"], [bucket])
        if self._prefixes:
            allow(
                role,
                ["s3:GetObject"],
                [_arn(role, f"{bucket}/{key}*") for bucket, key in map(_parted, self._prefixes)],
                wildcard="What lies below a prefix of the settings is the customer's to say.",
            )
        if self._settings.download_secret_name:
            self._grant_secret(role, self._settings.download_secret_name)

    def _grant_secret(self, role: iam.Role, name: str) -> None:
        # Secrets Manager ends the ARN of each secret with six characters of its own.
        arn = cdk.Stack.of(role).format_arn(
            service="secretsmanager",
            resource="secret",
            resource_name=f"{name}-??????",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        allow(role, ["secretsmanager:GetSecretValue"], [arn])


def _parted(prefix: str) -> tuple[str, str]:
    bucket, _, key = prefix.removeprefix("s3://").partition("/")
    return bucket, key


def _arn(role: iam.Role, what: str) -> str:
    return f"arn:{cdk.Stack.of(role).partition}:s3:::{what}"
