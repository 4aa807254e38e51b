"""Reading options one by one, wherever in a request they stand."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lambdas.core.errors import Fault, pointer
from lambdas.trainings.corrections import Corrected
from lambdas.trainings.option_values import read
from lambdas.trainings.options import Option
from lambdas.trainings.validation_schema import Correction


@dataclass(frozen=True)
class Read:
    """The options that could be read, what is wrong with the others, what has another form now."""

    params: dict[str, Any]
    faults: tuple[Fault, ...]
    corrections: tuple[Correction, ...]


def read_each(change: Corrected, option_of: Callable[[str], Option], *where: str | int) -> Read:
    """Read each option by the table; `where` are the steps of the pointer to all of them.

    `option_of` raises ValueError, as reading a value does, with a sentence that goes on from the
    option's name.
    """
    params: dict[str, Any] = {}
    faults: list[Fault] = []
    corrections: list[Correction] = []
    for name, value in change.params.items():
        try:
            params[name] = read(option_of(name), value)
        except ValueError as error:
            faults.append(Fault(pointer(*where, change.names[name]), str(error)))
            continue
        if params[name] != value:  # 4 and 4.0 are the same
            why = "was read in the form that sd-scripts takes"
            corrections.append(Correction(option=name, given=value, taken=params[name], why=why))
    return Read(params, tuple(faults), tuple(corrections))
