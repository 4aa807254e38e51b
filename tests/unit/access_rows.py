"""Every route with the least role that may call it, and a request that its body is taken from.

A row names what the path's ids stand for; `tests/unit/test_access_table.py` holds the rows to the
contract, so that a new route without a row fails.
"""

from dataclasses import dataclass
from typing import Any

from tests.unit.fakes import png


@dataclass(frozen=True)
class Row:
    """A route, by its operationId: who may call it, and what is sent."""

    role: str | None
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()


_SIZE = len(png(512, 512))
_TRAINING = {"name": "t", "model": "base", "datasets": [{"dataset": "tusiji"}]}
_ETAG = (("If-Match", '"x"'),)

ROWS: dict[str, Row] = {
    "getHealth": Row(None),
    "getWorkspace": Row("viewer"),
    "listAuditEvents": Row("admin"),
    "listTokens": Row("admin"),
    "createToken": Row("admin", {"name": "more"}),
    "deleteToken": Row("admin"),
    "listWebhooks": Row("admin"),
    "createWebhook": Row("admin", {"url": "https://example.com/hook"}),
    "getWebhook": Row("admin"),
    "updateWebhook": Row("admin", {"description": "new"}),
    "deleteWebhook": Row("admin"),
    "rotateWebhookSecret": Row("admin"),
    "testWebhook": Row("admin"),
    "listWebhookDeliveries": Row("admin"),
    "listDatasets": Row("viewer"),
    "createDataset": Row(
        "trainer",
        {"name": "n", "prefix": "1_n", "files": [{"name": "a.png", "size": _SIZE}]},
    ),
    "importDataset": Row("trainer", {"name": "n", "s3_uri": "s3://bucket/acme/inbox/1_n/"}),
    "getDataset": Row("viewer"),
    "updateDataset": Row("trainer", {"description": "new"}),
    "deleteDataset": Row("trainer"),
    "completeDataset": Row("trainer"),
    "cropDataset": Row("trainer", {"name": "cropped", "resolution": 512}),
    "exportDataset": Row("viewer"),
    "getDatasetReport": Row("viewer"),
    "createDatasetUploads": Row("trainer", {"remove": ["0.png"]}),
    "listDatasetImages": Row("viewer"),
    "countTags": Row("viewer"),
    "getCaption": Row("viewer"),
    "putCaption": Row("trainer", {"text": "new"}, _ETAG),
    "listCaptionVersions": Row("viewer"),
    "putCaptions": Row(
        "trainer", {"captions": [{"image_id": "img_00000000000000000000000000", "text": "new"}]}
    ),
    "addTag": Row("trainer", {"tag": "new"}),
    "removeTag": Row("trainer", {"tag": "abc"}),
    "replaceInCaptions": Row("trainer", {"find": "abc", "replace": "new"}),
    "getCaptionEdit": Row("viewer"),
    "listProposals": Row("viewer"),
    "acceptProposals": Row("trainer", {"all": True}),
    "refuseProposals": Row("trainer", {"all": True}),
    "listModels": Row("viewer"),
    "createModel": Row("trainer", {"name": "n", "file_name": "n.safetensors", "size": 100}),
    "importModel": Row("trainer", {"name": "n", "s3_uri": "s3://bucket/acme/inbox/n.safetensors"}),
    "getModel": Row("viewer"),
    "updateModel": Row("trainer", {"description": "new"}),
    "deleteModel": Row("trainer"),
    "completeModel": Row("trainer"),
    "getModelUploads": Row("viewer"),
    "createModelUploads": Row("trainer", {"part_numbers": [1]}),
    "getModelCivitaiInfo": Row("viewer"),
    "getModelWebuiMetadata": Row("viewer"),
    "getTrainingOptions": Row("viewer"),
    "validateTraining": Row("trainer", _TRAINING),
    "listTrainings": Row("viewer"),
    "createTraining": Row("trainer", _TRAINING),
    "getTraining": Row("viewer"),
    "cancelTraining": Row("trainer"),
    "updateTraining": Row("trainer", {"tags": {"kind": "rabbit"}}),
    "deleteTraining": Row("trainer"),
    "listTrainingEvents": Row("viewer"),
    "getTrainingMetrics": Row("viewer"),
    "listTrainingCheckpoints": Row("viewer"),
    "listTrainingSamples": Row("viewer"),
    "getTrainingLogs": Row("viewer"),
    "listTrainingTensorBoardFiles": Row("viewer"),
    "listTrainingCaptions": Row("viewer"),
}
