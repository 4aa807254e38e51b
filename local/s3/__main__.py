"""Start the S3 endpoint."""

import logging
from collections.abc import Callable
from pathlib import Path

from local.database import Database
from local.endpoint import Access, Arguments, EndpointSettings, serve
from local.outbox import SCHEMA as OUTBOX
from local.outbox import Envelope, Outbox
from local.s3.application import S3Application
from local.s3.blobs import Blobs
from local.s3.call import Bucket, Service
from local.s3.cors import CorsRule
from local.s3.events import Announcer
from local.s3.lifecycle import LifecycleRule, sweep_hourly
from local.s3.store import SCHEMA, Store
from local.s3.uploads import Uploads
from local.sigv4 import Verifier


def build(
    settings: EndpointSettings, root: Path, access: Access
) -> tuple[S3Application, Callable[[], None]]:
    """Return the endpoint and what to do when it ends."""
    database = Database(root / "index.sqlite", SCHEMA + OUTBOX)
    blobs = Blobs(root)
    store = Store(database, blobs)
    store.sweep()
    outbox = Outbox(database, settings.events_url)
    envelope = Envelope("aws.s3", settings.region, settings.account)
    telling = frozenset(
        name for name, one in settings.buckets.items() if one.get("event_bridge", False)
    )
    uploads = Uploads(database, blobs)
    lifecycle = sweep_hourly(_lifecycles(settings), store, uploads)
    service = Service(
        store=store,
        uploads=uploads,
        access=access,
        announcer=Announcer(outbox, envelope, telling),
        buckets={name: _bucket(name, one.get("cors")) for name, one in settings.buckets.items()},
        region=settings.region,
    )

    def end() -> None:
        lifecycle.set()
        outbox.end()

    return S3Application(service, Verifier(settings.secret, settings.region, "s3")), end


def _lifecycles(settings: EndpointSettings) -> dict[str, list[LifecycleRule]]:
    return {
        name: [LifecycleRule.read(rule) for rule in one.get("lifecycle") or ()]
        for name, one in settings.buckets.items()
    }


def _bucket(name: str, rules: list[dict[str, object]] | None) -> Bucket:
    return Bucket(name, tuple(CorsRule.read(rule) for rule in rules or ()))


def main() -> None:
    """Serve until the supervisor goes."""
    logging.basicConfig(format="s3: %(message)s")
    arguments = Arguments.parse("python -m local.s3")
    settings = EndpointSettings.load(arguments.config)
    application, on_end = build(settings, arguments.root.absolute(), settings.access())
    serve(application, arguments.port, on_end)


if __name__ == "__main__":
    main()
