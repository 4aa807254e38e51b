"""What the tagger proposed, in the checkpoint folder: an object of JSON lines for each dataset.

``captions/<dataset id>/captions.jsonl``, or ``captions-00.jsonl`` and so on where the dataset has
several folders, begins with a header (tagger, thresholds, how many images),
then has a line for each image that was tagged. Ten thousand images are one object in S3, and it
enters the folder whole.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from kohya_trainer.job import Captioning, Dataset
from kohya_trainer.paths import Paths


@dataclass(frozen=True)
class Proposal:
    """What the tagger saw in an image, and the caption that the image is trained with."""

    file_name: str
    tags: tuple[str, ...]
    caption: str
    tagger: str


class ProposalShelf:
    """The proposals for the images of one dataset, or of one folder of several."""

    def __init__(self, paths: Paths, dataset: Dataset, captioning: Captioning) -> None:
        self._paths = paths
        number = "" if dataset.subset is None else f"-{dataset.subset:02d}"
        self._file = paths.captions / dataset.dataset_id / f"captions{number}.jsonl"
        self._header = {
            "version": 1,
            "dataset_id": dataset.dataset_id,
            "captioning": json.loads(json.dumps(asdict(captioning))),
        }

    def read(self) -> list[Proposal] | None:
        """What an earlier attempt proposed; None unless it is whole and was asked alike."""
        try:
            header, *lines = self._file.read_text(encoding="utf-8").split("\n")[:-1]
            found = [_proposal(json.loads(line)) for line in lines]
            if json.loads(header) == self._header | {"images": len(found)}:
                return found
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return None

    def keep(self, proposals: Sequence[Proposal]) -> None:
        """Write them into the checkpoint folder."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        header = self._header | {"images": len(proposals)}
        lines = [header, *(asdict(proposal) for proposal in proposals)]
        text = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)
        self._paths.write(self._file, text)


def _proposal(told: dict[str, Any]) -> Proposal:
    return Proposal(told["file_name"], tuple(told["tags"]), told["caption"], told["tagger"])
