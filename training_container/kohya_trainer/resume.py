"""What an earlier attempt of the same training left in the checkpoint folder.

SageMaker brings the folder back when a spot instance was taken away. For now a training starts
afresh then: the LoRAs that were finished stay (they are whole, and are replaced when this run
reaches their epoch), the metrics go, since the steps are counted from 1 again.
"""

from kohya_trainer.log import say
from kohya_trainer.loras import Lora, describe
from kohya_trainer.paths import Paths
from kohya_trainer.safetensors_file import is_whole


def clear_earlier_attempt(paths: Paths) -> tuple[Lora, ...]:
    """Remove metrics and broken files, say so in the log, and return the LoRAs that stay."""
    segments = list(paths.metrics.glob("*.jsonl"))
    files = sorted(paths.loras.glob("*.safetensors"))
    whole = [path for path in files if is_whole(path)]
    for path in {*segments, *files}.difference(whole):
        path.unlink()
    if segments or files:
        say(
            f"an earlier attempt left {len(whole)} LoRAs and {len(segments)} metrics segments: "
            "starting afresh from step 1, its LoRAs stay until they are replaced"
        )
    return tuple(describe(path) for path in whole)
