"""What the deployment tells the function `datasets` and the asset worker."""

import json
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from lambdas.core import settings


def _object(text: Any) -> Any:
    return json.loads(text or "{}") if isinstance(text, str) else text


class Settings(settings.Settings):
    """The environment of the function `datasets`; `import_prefixes` are places by workspace."""

    import_prefixes: Annotated[dict[str, tuple[str, ...]], BeforeValidator(_object)] = Field(
        default={}
    )
