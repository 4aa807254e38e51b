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
    if digest and model.sha256 not in (None, digest):
        return invalid(
            model, "wrong_sha256", f"Its SHA-256 is {digest}, not {model.sha256} as was told."
        )
    return model.model_copy(
        update={
            "status": "ready",
            "fm_type": found.fm_type,
            "header": found.facts,
            "sha256": digest or model.sha256,
            "sha256_checked": digest is not None,
            "updated_at": clock.now(),
        }
    )


def invalid(model: Model, code: str, message: str) -> Model:
    """Return the model `invalid`, with the reason."""
    return model.model_copy(
        update={
            "status": "invalid",
            "invalid_reason": Reason(code=code, message=message),
            "updated_at": clock.now(),
        }
    )
