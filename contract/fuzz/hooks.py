"""What Schemathesis is told of this API; it runs in an environment without our packages."""

import atexit
import os
import re
from collections import Counter
from pathlib import Path

import schemathesis
from schemathesis.generation.modes import GenerationMode

_COUNTED = Path(os.environ["LORASTACK_FUZZ_COUNT"])
_OWN_TOKEN = os.environ["LORASTACK_FUZZ_TOKEN_ID"]
_ASKED: Counter[str] = Counter()

# Codes of what a request that fits its schema is refused for all the same.
_OF_STATE = {
    "idempotency_key_reused",  # the same key with two bodies
    "invalid_etag",  # for its pattern the generator sends an empty header, too
    "invalid_cursor",  # a text, but none that a list answered
    "parts_refused",  # what S3 has is not what the request says
    "url_refused",  # a link whose host is not public
    "not_safetensors",  # what a link or an address ends in
}
# So with single faults: each is a rule between fields or about what lies in the workspace.
_BETWEEN_FIELDS = re.compile(
    r"^there is no (model|dataset|training) "
    r"|is (uploading|importing|preparing|validating|invalid|deleting): "
    r"|^the dataset has no file "
    r"|^give (url or s3_uri|image_ids, or all)"
    r"|give at least one that is not null$"
    r"|^goes with type only"
    r"|^this upload has parts "
    r"|control or invisible character|may have no control characters|or control character$"
    # 2.0 is a whole number to JSON Schema, and none here.
    r"|^should be a valid integer$|^must be a whole number, not \d+\.0$"
    # The generator takes \p{Z} for any space, tabs too.
    r"|^string should match pattern '\^\[\\p"
    r"|a base model is needed|^is no TOML: |^needs a word in its first line"
    r"|^an image has bytes|^each name once|^\d+ images share|^lies in no place"
    r"|was declared with .* bytes|^no image of this dataset"
    # Of a list as long as may be, the generator makes files of no name.
    r"|^must end in \.png, "
    r"|^must be at least the resolution's longer side"
    r"|regularisation sets alone|is before since|can't be null: leave it out"
)


@schemathesis.hook
def before_call(context, case, **kwargs):
    """Let no link lead out of this machine: an address by numbers is refused before it is asked."""
    if isinstance(case.body, dict) and str(case.body.get("url", "")).lower().startswith("http"):
        case.body["url"] = "https://127.0.0.1/base.safetensors"


@schemathesis.hook
def after_call(context, case, response):
    """Count the requests by their answers' statuses."""
    _ASKED[str(response.status_code)] += 1


@schemathesis.hook
def filter_case(context, case):
    """Leave the token alone with which all is asked."""
    return _OWN_TOKEN not in (case.path_parameters or {}).values()


@schemathesis.check
def refuses_only_what_no_schema_says(ctx, response, case):
    """A request that fits its schema is refused only for what no schema can say."""
    if response.status_code not in (400, 422) or not _is_positive(case):
        return
    problem = response.json()
    if problem["code"] in _OF_STATE:
        return
    left = [one for one in problem["errors"] if not _BETWEEN_FIELDS.search(one["message"])]
    if left or not problem["errors"]:
        told = "; ".join(f"{one['pointer']}: {one['message']}" for one in left[:5])
        raise AssertionError(
            f"the schema allows what is refused: {problem['code']} {problem['detail']} {told}"
        )


def _is_positive(case):
    return case.meta is not None and case.meta.generation.mode == GenerationMode.POSITIVE


def _write():
    lines = [f"{status} {count}" for status, count in sorted(_ASKED.items())]
    _COUNTED.write_text("\n".join(lines))


atexit.register(_write)
