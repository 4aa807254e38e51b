"""Our dataset arithmetic against sd-scripts' own, number by number, on files of many sizes."""

import json
import random
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lambdas.asset_worker.image_size import BYTES_NEEDED, KIND_OF_SUFFIX, size_for_sd_scripts
from lambdas.trainings.arithmetic import BucketedDataset, Sizes, Subset, lay_out, schedule
from lambdas.trainings.buckets import BucketSettings, CannotBucket
from local.kohya.settings import Places, Settings

pytestmark = pytest.mark.kohya

SEED = 20_260_731
GENERATED = 120
HELPER = Path(__file__).with_name("sd_scripts_arithmetic.py")
BUCKET_OPTIONS = (
    *("enable_bucket", "min_bucket_reso", "max_bucket_reso"),
    *("bucket_reso_steps", "bucket_no_upscale"),
)
SUFFIXES = (".png", ".jpg", ".webp", ".bmp", ".PNG", ".jpeg")


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[dict, dict, dict]]:
    """Each case with what sd-scripts and what we make of it."""
    folder = tmp_path_factory.mktemp("arithmetic")
    cases = [*_chosen(folder), *_generated(folder)]
    (folder / "cases.json").write_text(json.dumps(cases))
    settings = Settings.read(Places())
    if not (settings.home / "train_network.py").is_file():
        pytest.fail("sd-scripts is not there: run make kohya, or set KOHYA_HOME and KOHYA_PYTHON")
    done = subprocess.run(
        [settings.python, HELPER, settings.home, folder / "cases.json", folder / "answers.json"],
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    theirs = json.loads((folder / "answers.json").read_text())
    return list(zip(cases, theirs, map(_ours, cases), strict=True))


def test_every_number_is_that_of_sd_scripts(compared: list[tuple[dict, dict, dict]]) -> None:
    computed = [(case, theirs, ours) for case, theirs, ours in compared if _works(theirs)]

    wrong = [(case, theirs, ours) for case, theirs, ours in computed if theirs != ours]
    assert not wrong, f"{len(wrong)} of {len(computed)}, the first: {wrong[0]}"
    assert len(computed) >= 100
    buckets = [one for _, theirs, _ in computed for one in theirs["datasets"]]
    print(f"\n{len(computed)} cases equal, {sum(len(one['buckets']) for one in buckets)} buckets")


def test_what_sd_scripts_stops_on_is_refused_with_a_reason(
    compared: list[tuple[dict, dict, dict]],
) -> None:
    stopped = [(case, theirs, ours) for case, theirs, ours in compared if not _works(theirs)]

    assert len(stopped) >= 8
    assert all("refused" in ours for _, _, ours in stopped), stopped
    print(f"\n{len(stopped)} cases refused by both")


def _works(answer: dict) -> bool:
    """sd-scripts goes on with a bucket without width or height, to fail when it cuts the image."""
    return "error" not in answer and all(
        min(width, height) > 0
        for dataset in answer["datasets"]
        for width, height, _, _ in dataset["buckets"]
    )


def _ours(case: dict) -> dict:
    try:
        return _reckoned(case)
    except CannotBucket as refused:
        return {"refused": str(refused), "option": refused.option}


def _reckoned(case: dict) -> dict:
    options = case["options"]
    layouts = [lay_out(_dataset(one, case)) for one in case["datasets"]]
    steps = schedule(
        sum(layout.batches for layout in layouts),
        gpus=case["gpus"],
        accumulation=options["gradient_accumulation_steps"],
        max_train_epochs=options.get("max_train_epochs"),
        max_train_steps=options["max_train_steps"],
    )
    plain = [s for one in case["datasets"] for s in one["subsets"] if not s.get("is_reg")]
    return {
        "datasets": [
            {
                "buckets": [[*one.resolution, one.images, one.samples] for one in layout.buckets],
                "batches": layout.batches,
            }
            for layout in layouts
        ],
        "batches": steps.batches,
        "samples": sum(len(_files(one)) * one["num_repeats"] for one in plain),
        "steps_per_epoch": steps.steps_per_epoch,
        "epochs": steps.epochs,
        "total_steps": steps.total_steps,
    }


def _dataset(given: dict, case: dict) -> BucketedDataset:
    options = case["options"] | {name: value for name, value in given.items() if name != "subsets"}
    resolution = options["resolution"]
    if isinstance(resolution, str):
        sides = [int(side) for side in resolution.split(",")]
        resolution = (sides[0], sides[-1])
    return BucketedDataset(
        subsets=tuple(
            Subset(_sizes(one), one["num_repeats"], one.get("is_reg", False))
            for one in given["subsets"]
        ),
        settings=BucketSettings(
            resolution=tuple(resolution),
            step_of_family={"sd_1_5": 64, "sd_xl": 32}[case["fm_type"]],
            **{name: options[name] for name in BUCKET_OPTIONS if name in options},
        ),
        batch_size=options.get("batch_size", options.get("train_batch_size", 1)),
    )


def _files(subset: dict) -> list[Path]:
    return sorted(Path(subset["image_dir"]).iterdir())


def _sizes(subset: dict) -> tuple[Sizes, ...]:
    found = [_measured(path) for path in _files(subset)]
    if subset.get("is_reg"):
        return tuple(Sizes(*size, 1) for size in found)
    return tuple(Sizes(*size, count) for size, count in Counter(found).items())


def _measured(path: Path) -> tuple[int, int]:
    kind = KIND_OF_SUFFIX[path.suffix.lower()]
    return size_for_sd_scripts(path.read_bytes()[: BYTES_NEEDED[kind]], kind)


def _options(**changes: Any) -> dict:
    usual = {"resolution": "512,512", "enable_bucket": True, "gradient_accumulation_steps": 1}
    return usual | {"max_train_steps": 1600, "train_batch_size": 1} | changes


def _case(datasets: list[dict], gpus: int = 1, fm_type: str = "sd_1_5", **changes: Any) -> dict:
    return {
        "datasets": datasets,
        "gpus": gpus,
        "fm_type": fm_type,
        "options": _options(**changes),
    }


def _subset(
    folder: Path, sizes: list[tuple[int, int]], repeats: int = 1, suffix: str = ".png", **more: Any
) -> dict:
    folder.mkdir(parents=True)
    for index, size in enumerate(sizes):
        _draw(folder / f"{index:03d}{suffix}", size)
    return {"image_dir": str(folder), "num_repeats": repeats} | more


def _draw(path: Path, size: tuple[int, int]) -> None:
    if path.suffix == ".webp" and sum(size) % 2:
        extended = Image.new("RGBA", size, (9, 9, 9, 99))  # alpha: the extended format, VP8X
        extended.save(path, method=0, quality=1)
    elif path.suffix in {".png", ".PNG", ".bmp"}:
        Image.new("1", size).save(path)
    else:
        Image.new("L", size).save(path)


def _chosen(folder: Path) -> Iterator[dict]:
    """What generated cases may miss: ties, halves, the smallest, what is refused."""
    ties = [(576, 448), (448, 576), (512, 512), (544, 480), (1000, 1000), (513, 512), (1, 1)]
    cut = [(2048, 1536), (1023, 1025), (725, 361), (511, 512), (64, 64), (800, 64), (3000, 1001)]

    def one(name: str, sizes: list[tuple[int, int]], suffix: str = ".png") -> list[dict]:
        return [{"subsets": [_subset(folder / "chosen" / name, sizes, 3, suffix)]}]

    yield _case(one("ties", ties), train_batch_size=2)
    yield _case(one("cut", cut), bucket_no_upscale=True, train_batch_size=2)
    yield _case(one("fixed", [*ties, *cut]), enable_bucket=False, train_batch_size=4)
    yield _case(one("fixed_no_upscale", cut), enable_bucket=False, bucket_no_upscale=True)
    yield _case(one("webp", [(511, 512), (512, 512), (1, 2), (641, 320)], ".webp"))
    yield _case(one("vp8x", [(513, 512), (512, 513)], ".webp"), bucket_no_upscale=True)
    between = [(72, 768), (80, 512), (112, 512), (120, 768), (144, 1536)]
    yield _case(one("between_two_buckets", between), min_bucket_reso=64)
    either = [(475, 750), (507, 624), (576, 1716), (585, 624), (598, 736)]
    yield _case(one("either_side_fits", either), bucket_no_upscale=True)
    yield _case(one("few", [(40, 40)]), max_train_epochs=3, gpus=8, gradient_accumulation_steps=4)
    yield _case(one("step_32", ties), fm_type="sd_xl", bucket_reso_steps=32)
    yield _case(one("rounded", ties), min_bucket_reso=300, max_bucket_reso=1000)
    yield _case(_regularised(folder / "few_reg", plain=11, extra=3, repeats=2), max_train_epochs=2)
    yield _case(_regularised(folder / "many_reg", plain=3, extra=9, repeats=2), max_train_epochs=2)
    yield _case(one("thin", [(64, 3000)]), bucket_no_upscale=True)
    # From here on sd-scripts stops.
    yield _case(one("min_over", ties), min_bucket_reso=576)
    yield _case(one("max_under", ties), max_bucket_reso=448, min_bucket_reso=64)
    yield _case(one("min_0", ties), min_bucket_reso=32)
    yield _case(one("step_48", ties), fm_type="sd_xl", bucket_reso_steps=48)
    yield _case(one("step_32_sd_1_5", ties), bucket_reso_steps=32)
    yield _case(one("step_0", ties), bucket_reso_steps=0)
    yield _case(one("step_over", ties), bucket_reso_steps=1024, min_bucket_reso=0)
    yield _case(one("small", [(63, 512)]), bucket_no_upscale=True)
    yield _case(one("vp8x_63", [(65, 64)], ".webp"), bucket_no_upscale=True)
    yield _case(one("low", [(512, 63)]), bucket_no_upscale=True)
    yield _case(one("thread", [(10, 60_000)]), bucket_no_upscale=True)


def _regularised(folder: Path, plain: int, extra: int, repeats: int) -> list[dict]:
    drawn = random.Random(folder.name)
    sizes = [(drawn.randint(64, 900), drawn.randint(64, 900)) for _ in range(plain + extra)]
    return [
        {
            "subsets": [
                _subset(folder / "reg", sizes[plain:], repeats, is_reg=True),
                _subset(folder / "plain", sizes[:plain], 3),
            ]
        }
    ]


def _generated(folder: Path) -> Iterator[dict]:
    drawn = random.Random(SEED)
    for number in range(GENERATED):
        place = folder / f"case_{number:03d}"
        datasets = []
        for index in range(drawn.choice([1, 1, 1, 2])):
            subsets = [
                _subset(
                    place / f"{index}_{which}",
                    [_any_size(drawn) for _ in range(drawn.randint(1, 14))],
                    drawn.randint(1, 12),
                    drawn.choice(SUFFIXES),
                )
                for which in range(drawn.choice([1, 1, 2, 3]))
            ]
            own = {"batch_size": drawn.randint(1, 9)} if drawn.random() < 0.2 else {}
            datasets.append({"subsets": subsets} | own)
        yield _case(datasets, **_any_options(drawn))


def _any_size(drawn: random.Random) -> tuple[int, int]:
    kind = drawn.random()
    if kind < 0.3:
        return drawn.choice([(512, 512), (1024, 1024), (768, 512), (512, 768), (640, 480)])
    if kind < 0.5:
        side = drawn.randint(200, 1500)
        return side, side + drawn.randint(-3, 3)
    return drawn.randint(64, 1600), drawn.randint(64, 1600)


def _any_options(drawn: random.Random) -> dict:
    fm_type = drawn.choice(["sd_1_5", "sd_xl"])
    width, height = drawn.choice([(512, 512), (768, 768), (512, 768), (1024, 1024), (600, 450)])
    ends = {"max_train_steps": drawn.randint(1, 3000)}
    if drawn.random() < 0.6:
        ends["max_train_epochs"] = drawn.randint(1, 20)
    return {
        "fm_type": fm_type,
        "gpus": drawn.choice([1, 1, 4, 8]),
        "resolution": str(width) if width == height else f"{width},{height}",
        "enable_bucket": drawn.random() < 0.85,
        "bucket_no_upscale": drawn.random() < 0.5,
        "min_bucket_reso": drawn.choice([64, 128, 256, 300, 320]),
        "max_bucket_reso": drawn.choice([1024, 1100, 1536, 2048]),
        "bucket_reso_steps": drawn.choice([64, 64, 128] if fm_type == "sd_1_5" else [32, 64, 96]),
        "train_batch_size": drawn.choice([1, 2, 3, 4, 7, 16]),
        "gradient_accumulation_steps": drawn.choice([1, 1, 2, 3, 5]),
        **ends,
    }
