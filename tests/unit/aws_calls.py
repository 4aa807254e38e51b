"""The calls to AWS that each route makes when it is asked for the usual thing, in order.

A TransactWriteItems at the end, where there was no transaction before it, records who did it.
"""

AWS_CALLS = {
    "GET /audit": "Query",
    "GET /datasets": "Query",
    "POST /datasets": "PutObject TransactWriteItems",
    "POST /datasets/import": "ListObjectsV2 PutObject TransactWriteItems SendMessage",
    "GET /datasets/{dataset_id}": "GetItem",
    "DELETE /datasets/{dataset_id}": "GetItem UpdateItem Query SendMessage TransactWriteItems",
    "PATCH /datasets/{dataset_id}": "GetItem TransactWriteItems GetItem",
    "PUT /datasets/{dataset_id}/captions": (
        "GetItem BatchGetItem TransactWriteItems PutObject UpdateItem SendMessage"
    ),
    "POST /datasets/{dataset_id}/captions/add-tag": (
        "GetItem TransactWriteItems GetItem UpdateItem GetItem Query TransactWriteItems "
        "PutObject UpdateItem UpdateItem UpdateItem UpdateItem SendMessage GetItem"
    ),
    "GET /datasets/{dataset_id}/captions/edit": "GetItem GetItem",
    "POST /datasets/{dataset_id}/captions/remove-tag": (
        "GetItem TransactWriteItems GetItem UpdateItem GetItem Query UpdateItem "
        "UpdateItem UpdateItem SendMessage GetItem"
    ),
    "POST /datasets/{dataset_id}/captions/replace": (
        "GetItem TransactWriteItems GetItem UpdateItem GetItem Query TransactWriteItems "
        "PutObject UpdateItem UpdateItem UpdateItem UpdateItem SendMessage GetItem"
    ),
    "POST /datasets/{dataset_id}/complete": (
        "GetItem GetObject ListObjectsV2 TransactWriteItems SendMessage"
    ),
    "POST /datasets/{dataset_id}/crop": "GetItem PutObject TransactWriteItems SendMessage",
    "GET /datasets/{dataset_id}/export": "GetItem GetObject ListObjectsV2 BatchGetItem",
    "GET /datasets/{dataset_id}/images": "GetItem Query",
    "GET /datasets/{dataset_id}/images/{image_id}/caption": "GetItem GetItem",
    "PUT /datasets/{dataset_id}/images/{image_id}/caption": (
        "GetItem GetItem TransactWriteItems PutObject UpdateItem"
    ),
    "GET /datasets/{dataset_id}/images/{image_id}/caption/versions": "GetItem GetItem BatchGetItem",
    "GET /datasets/{dataset_id}/proposals": "GetItem Query BatchGetItem",
    "POST /datasets/{dataset_id}/proposals/accept": (
        "GetItem BatchGetItem BatchGetItem TransactWriteItems PutObject UpdateItem SendMessage"
    ),
    "POST /datasets/{dataset_id}/proposals/refuse": (
        "GetItem BatchGetItem DeleteItem TransactWriteItems"
    ),
    "GET /datasets/{dataset_id}/report": "GetItem GetObject",
    "GET /datasets/{dataset_id}/tags": "GetItem Query",
    "POST /datasets/{dataset_id}/uploads": (
        "GetItem GetObject PutObject GetItem TransactWriteItems ListObjectsV2"
    ),
    "GET /health": "",
    "GET /models": "Query",
    "POST /models": "CreateMultipartUpload TransactWriteItems",
    "POST /models/import": "TransactWriteItems SendMessage",
    "GET /models/{model_id}": "GetItem",
    "DELETE /models/{model_id}": (
        "GetItem UpdateItem Query UpdateItem AbortMultipartUpload DeleteObject GetItem "
        "TransactWriteItems"
    ),
    "PATCH /models/{model_id}": "GetItem TransactWriteItems GetItem",
    "GET /models/{model_id}/civitai-info": "GetItem",
    "POST /models/{model_id}/complete": (
        "GetItem ListParts CompleteMultipartUpload GetObject TransactWriteItems SendMessage GetItem"
    ),
    "GET /models/{model_id}/uploads": "GetItem ListParts",
    "POST /models/{model_id}/uploads": "GetItem TransactWriteItems",
    "GET /models/{model_id}/webui-metadata": "GetItem",
    "GET /tokens": "Query BatchGetItem",
    "POST /tokens": "TransactWriteItems",
    "DELETE /tokens/{token_id}": "GetItem TransactWriteItems",
    "GET /training-options": "",
    "GET /trainings": "Query",
    "POST /trainings": "BatchGetItem BatchGetItem PutObject TransactWriteItems CreateTrainingJob",
    "POST /trainings/validate": "BatchGetItem BatchGetItem",
    "GET /trainings/{training_id}": "GetItem",
    "DELETE /trainings/{training_id}": "GetItem UpdateItem Query SendMessage TransactWriteItems",
    "PATCH /trainings/{training_id}": "GetItem UpdateItem GetItem TransactWriteItems",
    "POST /trainings/{training_id}/cancel": "GetItem TransactWriteItems StopTrainingJob",
    "GET /trainings/{training_id}/captions": "GetItem",
    "GET /trainings/{training_id}/checkpoints": "GetItem GetObject",
    "GET /trainings/{training_id}/events": "GetItem Query",
    "GET /trainings/{training_id}/logs": "GetItem GetObject ListObjectsV2",
    "GET /trainings/{training_id}/metrics": "GetItem GetObject ListObjectsV2",
    "GET /trainings/{training_id}/samples": "GetItem ListObjectsV2",
    "GET /trainings/{training_id}/tensorboard": "GetItem ListObjectsV2",
    "GET /webhooks": "Query",
    "POST /webhooks": "TransactWriteItems",
    "GET /webhooks/{webhook_id}": "GetItem",
    "DELETE /webhooks/{webhook_id}": "TransactWriteItems",
    "PATCH /webhooks/{webhook_id}": "GetItem UpdateItem GetItem TransactWriteItems",
    "GET /webhooks/{webhook_id}/deliveries": "GetItem Query",
    "POST /webhooks/{webhook_id}/rotate": "GetItem UpdateItem TransactWriteItems",
    "POST /webhooks/{webhook_id}/test": "GetItem TransactWriteItems SendMessage",
    "GET /workspace": "BatchGetItem",
}

# With an Idempotency-Key most POSTs make two more: they look whether it was used, or note it before
# they begin and when they are done.
MORE_WITH_A_KEY = {
    "POST /datasets": 1,
    "POST /datasets/import": 1,
    "POST /datasets/{dataset_id}/captions/add-tag": 1,
    "POST /datasets/{dataset_id}/captions/remove-tag": 1,
    "POST /datasets/{dataset_id}/captions/replace": 1,
    "POST /datasets/{dataset_id}/crop": 1,
    "POST /models": 1,
    "POST /models/import": 1,
    "POST /tokens": 1,
    "POST /trainings": 0,
    "POST /webhooks": 1,
    "POST /webhooks/{webhook_id}/test": 1,
}
