"""What becomes of a model whose whole file is there, by its header and its digest."""

from lambdas.core import clock
from lambdas.models import inspection
from lambdas.models.safetensors import Header
from lambdas.models.schema import Model, Reason


def of(model: Model, header: Header, digest: str | None) -> Model:
    """Return the model `ready`, with what its header tells, or `invalid` with the reason.

    `digest` is the SHA-256 of the stored bytes, None where nobody reckoned it.
    """
    found = inspection.inspect(header)
    if found.type != model.type:
        came = "imported" if model.import_ else "uploaded"
        return invalid(
            model,
            "wrong_type",
            f"This was {came} as {model.type} and is {found.type or 'unknown'}.",
        )
    seen = model.model_copy(update={"fm_type": found.fm_type, "header": found.facts})
    return ready(seen) if digest is None else held_to(seen, digest)


def held_to(model: Model, digest: str) -> Model:
    """Return a model whose header is known `ready`, or `invalid` where another digest was told."""
    if model.sha256 not in (None, digest):
        return invalid(
            model,
            "wrong_sha256",
            f"Its SHA-256 is {digest}, not {model.sha256} as was told: it was damaged on its way, "
            "or the digest is another file's. Look at the file and bring it again.",
        )
    return ready(model.model_copy(update={"sha256": digest, "sha256_checked": True}))


def ready(model: Model) -> Model:
    """Return the model `ready`."""
    return model.model_copy(update={"status": "ready", "updated_at": clock.now()})


def invalid(model: Model, code: str, message: str) -> Model:
    """Return the model `invalid`, with the reason."""
    return model.model_copy(
        update={
            "status": "invalid",
            "invalid_reason": Reason(code=code, message=message),
            "updated_at": clock.now(),
        }
    )
