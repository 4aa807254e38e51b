"""What the endpoint refuses, in AWS JSON 1.1."""


class ApiError(Exception):
    """A refusal; `kind` is the error's name in the service model."""

    def __init__(self, kind: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.kind, self.message, self.status = kind, message, status


def validation(message: str) -> ApiError:
    """Return the refusal of a request that is not valid."""
    return ApiError("ValidationException", message)


def not_authorized(action: str, resource: str) -> ApiError:
    """Return the refusal of somebody who may not do that."""
    return ApiError(
        "AccessDeniedException",
        f"The caller is not authorized to perform: {action} on resource: {resource}",
    )
