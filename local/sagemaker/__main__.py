"""Start the SageMaker endpoint."""

import logging
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from local.database import Database
from local.endpoint import Access, Arguments, EndpointSettings, serve
from local.outbox import SCHEMA as OUTBOX
from local.outbox import Envelope, Outbox
from local.sagemaker.application import SageMakerApplication
from local.sagemaker.container import Image
from local.sagemaker.machines import Machines
from local.sagemaker.operations import Operations
from local.sagemaker.recovery import end_cut_off
from local.sagemaker.registry import Registry
from local.sagemaker.runner import Workshop
from local.sagemaker.transfer import Transfer
from local.sigv4 import Verifier

GRACE_AT_THE_END = 3.0


def build(
    settings: EndpointSettings, root: Path, access: Access
) -> tuple[SageMakerApplication, Callable[[], None]]:
    """Return the endpoint and what to do when it ends."""
    outbox = Outbox(Database(root / "outbox.sqlite", OUTBOX), settings.events_url)
    envelope = Envelope("aws.sagemaker", settings.region, settings.account)
    registry = Registry(root / "jobs", outbox, envelope)
    transfer = Transfer.with_role(settings)
    workshop = Workshop(
        registry=registry,
        machines=Machines(settings.jobs_at_once),
        image=_image(settings),
        transfer=lambda: transfer,
        sync_seconds=settings.sync_seconds,
        grace_seconds=settings.grace_seconds,
    )
    operations = Operations(registry, workshop, access)
    resume(operations)
    application = SageMakerApplication(
        operations, Verifier(settings.secret, settings.region, "sagemaker")
    )
    threading.Thread(target=application.warm_up, daemon=True).start()

    def end() -> None:
        registry.close()
        for runner in operations.runners.values():
            runner.stop_program(GRACE_AT_THE_END)
        for runner in operations.runners.values():
            runner.await_program(GRACE_AT_THE_END + 1.0)
        outbox.end()

    return application, end


def resume(operations: Operations) -> None:
    """End the jobs that were cut off; those that still waited for a machine wait on."""
    for job in sorted(operations.registry.all(), key=lambda one: one.created):
        if job.final:
            shutil.rmtree(operations.registry.folder(job.name) / "ml" / "input", ignore_errors=True)
        elif job.started is None:
            operations.run(job.name)
        else:
            arguments = [job, operations.workshop]
            threading.Thread(target=end_cut_off, args=arguments, daemon=True).start()


def _image(settings: EndpointSettings) -> Image:
    return Image(
        command=tuple(settings.command),
        environment=settings.image_environment,
        pythonpath=tuple(settings.pythonpath),
        region=settings.region,
    )


def main() -> None:
    """Serve until the supervisor goes."""
    logging.basicConfig(format="sagemaker: %(message)s")
    arguments = Arguments.parse("python -m local.sagemaker")
    settings = EndpointSettings.load(arguments.config)
    application, on_end = build(settings, arguments.root.absolute(), settings.access())
    serve(application, arguments.port, on_end)


if __name__ == "__main__":
    main()
