"""Sets up sd-scripts beside the project: `python -m local.kohya.setup`."""

import sys
import time

from local.kohya import clip_tokenizer, environment, source
from local.kohya.settings import KohyaError, Places, Settings


def say(text: str) -> None:
    """One line of progress, seen at once."""
    print(f"kohya: {text}", flush=True)


def set_up(places: Places, settings: Settings) -> None:
    """Brings what is not there yet: work tree, environment, tokenizers."""
    source.bring(source.recognise(settings.source), places.sd_scripts, say)
    environment.make(places, settings.base_python, say)
    clip_tokenizer.make(places, say)


def main() -> int:
    """Exit status 0, 1 with one sentence that says what to do, or 130 when interrupted."""
    places = Places()
    started = time.monotonic()
    try:
        set_up(places, Settings.read(places))
    except KohyaError as exc:
        print(f"kohya: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nkohya: stopped; run this again to go on", file=sys.stderr)
        return 130
    say(f"sd-scripts are ready in {places.root} ({time.monotonic() - started:.0f} s); to use them:")
    for name, value in places.environment().items():
        print(f"  export {name}={value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
