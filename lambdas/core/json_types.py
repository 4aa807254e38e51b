"""Numbers and truth values as a request's JSON has them: a text is neither."""

from typing import Annotated

from pydantic import Strict

Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict()]
Flag = Annotated[bool, Strict()]
