"""What each code of a problem means: when it is answered, and what its reader does then.

`docs/guides/errors.md` and the descriptions in openapi.yaml are made from this table; a test holds
it to the codes that the sources raise.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Meaning:
    """One code in words: each a sentence."""

    when: str
    remedy: str


CODES: dict[str, Meaning] = {
    "bad_request": Meaning(
        "The gateway could not read the request itself: its path, its headers or its framing.",
        "Correct the request; a client library sends none like it.",
    ),
    "invalid_json": Meaning(
        "The body is no JSON: `detail` says at which character.",
        "Send one JSON object, in UTF-8.",
    ),
    "invalid_cursor": Meaning(
        "The cursor is none of this list, or the filters changed between two pages.",
        "Take `next_cursor` from the page before with the same filters, or begin without one.",
    ),
    "invalid_etag": Meaning(
        "`If-Match` is no ETag.", "Send the ETag as a read answered it, with its quotes."
    ),
    "invalid_request": Meaning(
        "A header has a value that it can't have here.", "Look at `errors` and correct it."
    ),
    "unauthorized": Meaning(
        "The bearer token is missing, unknown or revoked.",
        "Send `Authorization: Bearer lsk_...`; an admin of the workspace makes a token with "
        "`POST /tokens`.",
    ),
    "token_expired": Meaning(
        "The bearer token was good until its `expires_at`.",
        "Ask an admin of the workspace for another.",
    ),
    "blocked": Meaning(
        "A firewall that the owner of the deployment put before it refused the request.",
        "Ask the owner.",
    ),
    "role_not_allowed": Meaning(
        "The token's role may not do this: viewers read, trainers also write, admins also manage "
        "tokens.",
        "Use a token with the role that `detail` names.",
    ),
    "not_found": Meaning(
        "The workspace has nothing of this id; what another workspace has is not told apart.",
        "Look the id up in the list.",
    ),
    "no_edit": Meaning(
        "The captions of the dataset were never changed as a whole.",
        "Replace words, add or remove a tag in all captions, and this tells how far that is.",
    ),
    "route_not_found": Meaning("No route has this path.", "Correct the path; all begin with /v1."),
    "image_not_found": Meaning(
        "The dataset has no such image, or was not checked yet.",
        "Take the id from `GET /datasets/{dataset_id}/images`.",
    ),
    "place_not_found": Meaning(
        "The folder lies where this workspace may not import from.",
        "Put it into the inbox, which `errors` names.",
    ),
    "source_not_found": Meaning(
        "The file lies where this workspace may not import from.",
        "Put it into the inbox, which `detail` names.",
    ),
    "method_not_allowed": Meaning(
        "The path exists and takes other methods.", "Use one that the header `Allow` names."
    ),
    "conflict": Meaning(
        "The state of the thing does not allow this at the moment.", "Read it and try again."
    ),
    "captions_busy": Meaning(
        "Another change of all captions of this dataset is under way.",
        "Wait as long as `Retry-After` says.",
    ),
    "captions_closed": Meaning(
        "The dataset is neither ready nor invalid, so its captions can't be changed.",
        "Complete it, or wait until it was checked.",
    ),
    "changed_meanwhile": Meaning(
        "Another request changed the same thing at the same moment; nothing was written.",
        "Read it and try again.",
    ),
    "dataset_closed": Meaning(
        "The dataset takes no files in its status.", "Make a new dataset for other files."
    ),
    "dataset_in_use": Meaning(
        "A training, or a dataset that is being made of it, uses the dataset.",
        "Wait for its end or cancel it, then delete.",
    ),
    "dataset_not_ready": Meaning(
        "Only a dataset that is ready can be cropped.", "Complete it and wait until it is ready."
    ),
    "dataset_validating": Meaning(
        "The dataset is being checked or prepared.", "Wait until it is ready or invalid."
    ),
    "edit_replaced": Meaning(
        "The change of this Idempotency-Key is done, and another followed it.",
        "Nothing is to be done; read the captions.",
    ),
    "model_closed": Meaning(
        "The model is being deleted.", "Nothing is to be done; its name will be free."
    ),
    "model_in_use": Meaning(
        "A training that has not ended uses the model.", "Wait for its end or cancel it."
    ),
    "model_not_ready": Meaning(
        "What the model's file is, is known when it is ready.", "Wait until it is ready."
    ),
    "name_taken": Meaning(
        "The name is in use in this workspace. A training's name is also that of its LoRA.",
        "Choose another, or delete what has it.",
    ),
    "no_report": Meaning(
        "The dataset was not checked yet.", "Complete it and wait until it was checked."
    ),
    "not_uploaded": Meaning(
        "S3 has not joined the parts of the upload yet.", "Wait as long as `Retry-After` says."
    ),
    "token_already_shown": Meaning(
        "A request with this Idempotency-Key made the token, and its secret is shown once.",
        "If it is lost, delete that token and make another with a new key.",
    ),
    "training_ended": Meaning(
        "The training has ended, so it can't be canceled.", "Nothing is to be done."
    ),
    "upload_closed": Meaning(
        "The upload of this model has ended.",
        "Complete the model, or make it anew to upload another file.",
    ),
    "upload_incomplete": Meaning(
        "Files or parts have not arrived: `detail` names them.",
        "Ask for uploads of what is missing, send it, and complete again.",
    ),
    "caption_changed": Meaning(
        "Someone changed the caption since it was read; nothing was written.",
        "Read it, look at what stands there, and send its ETag.",
    ),
    "precondition_failed": Meaning(
        "It changed since the ETag in `If-Match`; nothing was written.",
        "Read it again and send the change with the new ETag.",
    ),
    "request_too_large": Meaning(
        "The request has more than 10 MB.", "Send files through the upload URLs."
    ),
    "unsupported_media_type": Meaning(
        "The body is of another kind than JSON.", "Send `Content-Type: application/json`."
    ),
    "validation_failed": Meaning(
        "The request was read and refused: `errors` names every fault at once.",
        "Correct what `errors` names and send it again.",
    ),
    "idempotency_key_reused": Meaning(
        "The Idempotency-Key was used for a request with another body.",
        "Take a new key for a new request.",
    ),
    "no_tensors": Meaning("The file holds no tensors.", "Upload the right file as a new model."),
    "not_safetensors": Meaning(
        "The file is no sound safetensors file.",
        "Convert it, or upload the right one, as a new model.",
    ),
    "truncated": Meaning(
        "The file is shorter or longer than its header says.",
        "Download it again from its source and make the model anew.",
    ),
    "wrong_sha256": Meaning(
        "The file's SHA-256 is not the one that was given.",
        "Download it again from its source and make the model anew.",
    ),
    "wrong_type": Meaning(
        "The file is of another type than was said.", "Make the model anew with the right `type`."
    ),
    "parts_refused": Meaning(
        "The parts that the request names are not those that arrived.",
        "Name each once with its ETag, or leave `parts` out.",
    ),
    "nothing_to_import": Meaning(
        "The folder holds no images.", "Look at what lies there; `errors` says what is looked for."
    ),
    "url_refused": Meaning(
        "The address is none that is fetched: no https, a private address, a secret in it.",
        "Give a public https address, or put the file into the inbox.",
    ),
    "precondition_required": Meaning(
        "Something stands there already, and the request does not say which state it replaces.",
        "Read it and send its ETag as `If-Match`, or `*` to replace whatever is there.",
    ),
    "too_many_requests": Meaning(
        "More requests came than the deployment takes.", "Wait as long as `Retry-After` says."
    ),
    "first_request_running": Meaning(
        "A request with this Idempotency-Key is still being carried out.",
        "Wait as long as `Retry-After` says and send it again.",
    ),
    "made_and_deleted": Meaning(
        "What the first request with this Idempotency-Key made was deleted since.",
        "Send a new key to make another.",
    ),
    "training_in_use": Meaning(
        "Another training goes on from the state of this one.",
        "Wait until the trainings that `detail` names have ended, or cancel them.",
    ),
    "training_under_way": Meaning(
        "A training is deleted only when it has ended.", "Cancel it first, and wait until it has."
    ),
    "secret_already_shown": Meaning(
        "The webhook was made by an earlier request with this Idempotency-Key, and its secret is "
        "shown once.",
        "Have a new secret made with `POST /webhooks/{webhook_id}/rotate`.",
    ),
    "too_many_webhooks": Meaning(
        "The workspace has as many webhooks as there may be.", "Delete one that nobody needs."
    ),
    "too_many_trainings": Meaning(
        "As many trainings are under way in the workspace as its limit allows.",
        "Wait for one to end or cancel one.",
    ),
    "gpu_hours_limit": Meaning(
        "The training may take more GPU hours than the workspace has left this month: a training "
        "reserves its `max_runtime_minutes`, and its end gives back what it did not take.",
        "Give a shorter `max_runtime_minutes`, wait for trainings to end or for the next month, or "
        "ask the operator for more.",
    ),
    "usd_limit": Meaning(
        "The training may cost more US dollars than the workspace has left this month; reserved "
        "and given back as GPU hours are.",
        "Give a shorter `max_runtime_minutes` or a smaller `instance_type`, wait, or ask the "
        "operator for more.",
    ),
    "storage_limit": Meaning(
        "The workspace has no room for so many bytes in its datasets and models.",
        "Delete what is not needed any more, or ask the operator for more.",
    ),
    "internal_error": Meaning(
        "Something broke on the service's side.",
        "Try again; if it stays, tell whoever runs the service the `request_id`.",
    ),
    "unavailable": Meaning(
        "A service behind this one did not answer; nothing was lost.",
        "Try again after `Retry-After`, with the same Idempotency-Key.",
    ),
    "timeout": Meaning(
        "The answer took longer than 29 s; what was asked for may have been done.",
        "Send the same request again with the same Idempotency-Key.",
    ),
}
