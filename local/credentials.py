"""Access keys of local mode: every function and role has its own, nothing is stored.

The endpoints and the supervisor know one secret; from it and the access key id each derives the
same secret access key, as AWS's own services look one up.
"""

import hashlib
import hmac
import re

OPERATOR = "LOCALOPERATOR"


def access_key_id(logical_id: str) -> str:
    """Return the access key id of a function or role of the template."""
    letters = re.sub(r"[^A-Z0-9]", "", logical_id.upper())
    return f"LOCAL{letters}"[:100]


def secret_access_key(secret: str, key_id: str) -> str:
    """Return the secret access key of an access key id; `secret` is the state's, in hex."""
    return hmac.new(bytes.fromhex(secret), key_id.encode(), hashlib.sha256).hexdigest()
