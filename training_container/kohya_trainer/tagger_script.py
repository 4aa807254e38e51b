"""``-m kohya_trainer.tagger_script SCRIPT ...``: run sd-scripts' tagger, characters too.

At the pinned commit the tagger breaks at the first character that it is sure of: ``run_batch``
assigns ``character_tags`` for taggers of another form (finetune/tag_images_by_wd14_tagger.py:407),
so that for WD14's the list read from selected_tags.csv can't be reached (:375, UnboundLocalError).
Here that name is added to the function's ``nonlocal`` line while the script is loaded; where the
line is not found just once, the script runs as it is.

Its log is written plainly: rich would fold the names of files at 80 columns.

This runs in the interpreter of sd-scripts, in its folder.
"""

import logging
import sys
from pathlib import Path
from types import ModuleType

REACHING = "nonlocal args, default_format, model, ort_sess, input_name, tag_freq\n"
REACHING_ALL = REACHING.replace("tag_freq", "tag_freq, character_tags")


def mended(source: str) -> str:
    """The script, with the line changed if it is there once."""
    return source.replace(REACHING, REACHING_ALL) if source.count(REACHING) == 1 else source


def main() -> None:
    """Run the script as the program."""
    del sys.argv[0]
    path = Path(sys.argv[0])
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    module = ModuleType("__main__")
    module.__file__ = str(path)
    sys.modules["__main__"] = module
    code = compile(mended(path.read_text(encoding="utf-8")), path, "exec")
    exec(code, module.__dict__)  # noqa: S102 - sd-scripts' own source


if __name__ == "__main__":
    main()
