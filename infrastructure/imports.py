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
    def worker_environment(self) -> dict[str, str]:
        """What the worker must know besides: where the tokens for gated downloads are."""
        name = self._settings.download_secret_name
        return {"DOWNLOAD_SECRET_NAME": name} if name else {}

    def grant_read(self, role: iam.Role) -> None:
        """Allows copying what may be imported, and reading the one secret."""
        self._storage.grant_objects(role, INBOXES, "GetObject")
        bucket = self._storage.bucket.bucket_arn
        allow(role, ["s3:ListBucketMultipartUploads"], [bucket])
        given = self._settings.import_prefixes.values()
        prefixes = sorted({prefix for one in given for prefix in one})
        if prefixes:
            allow(
                role,
                ["s3:GetObject"],
                [_objects_under(role, prefix) for prefix in prefixes],
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


def _objects_under(role: iam.Role, prefix: str) -> str:
    partition = cdk.Stack.of(role).partition
    return f"arn:{partition}:s3:::{prefix.removeprefix('s3://')}*"
