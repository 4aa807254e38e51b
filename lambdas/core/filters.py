"""Filters of lists: only those that an index serves, and none is silently passed over."""

from collections.abc import Sequence

from aws_lambda_powertools.event_handler import APIGatewayRestResolver

from lambdas.core.errors import Fault, Unprocessable


def must_be_known(app: APIGatewayRestResolver, known: Sequence[str]) -> None:
    """Refuse query parameters that the list does not know.

    Raises Unprocessable: a list that a misspelt filter did not touch would be taken for filtered.
    """
    given = app.current_event.query_string_parameters or {}
    faults = [
        Fault(f"query:{name[:50]}", f"is no filter of this list: it has {', '.join(known)}")
        for name in given
        if name not in known
    ]
    if faults:
        raise Unprocessable("This list can't be filtered so.", faults=faults)
