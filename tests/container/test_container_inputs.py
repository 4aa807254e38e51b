import pytest

from kohya_trainer.failure import TrainingFailed
from kohya_trainer.inputs import check_inputs
from kohya_trainer.job import parse_job
from kohya_trainer.paths import Paths
from kohya_trainer.safetensors_file import family, read_header
from tests.container.support import (
    dataset,
    job,
    make_base,
    png,
    sd15_shapes,
    sdxl_shapes,
    write_safetensors,
)


def checked(base, **changes):
    return check_inputs(parse_job(job(**changes)), Paths(base))


def refused(base, **changes):
    with pytest.raises(TrainingFailed) as caught:
        checked(base, **changes)
    return caught.value


def folder(base):
    return next((base / "input" / "data" / "dataset_00").iterdir())


def model(base):
    return base / "input" / "data" / "model" / "base.safetensors"


def test_images_captions_and_repeats_are_counted(tmp_path):
    inputs = checked(make_base(tmp_path))

    assert [(f.images, f.captions) for f in inputs.folders] == [(3, 3)]
    assert inputs.model.is_file()


def test_what_sd_scripts_does_not_take_for_an_image_is_not_counted(tmp_path):
    base = make_base(tmp_path)
    for name in ("a.Png", ".hidden.png", "notes.md", "b.gif"):
        (folder(base) / name).write_bytes(png(1))
    (folder(base) / "c.PNG").write_bytes(png(1))

    assert checked(base, datasets=[dataset(caption_policy="empty")]).folders[0].images == 4


@pytest.mark.parametrize("remove", ["images", "folder"])
def test_a_dataset_without_images_is_empty_dataset(tmp_path, remove):
    base = make_base(tmp_path)
    place = folder(base)
    for path in place.iterdir():
        path.unlink()
    if remove == "folder":
        place.rmdir()

    assert refused(base).code == "empty_dataset"


def test_a_missing_caption_matters_only_where_captions_are_required(tmp_path):
    base = make_base(tmp_path)
    next(folder(base).glob("*.txt")).unlink()

    assert refused(base).code == "missing_caption"
    assert "1 of 3" in refused(base).message
    for policy in ("subject", "empty"):
        assert checked(base, datasets=[dataset(caption_policy=policy)]).folders[0].captions == 2


def test_an_empty_caption_file_gets_a_line_end_because_sd_scripts_stops_at_zero_bytes(tmp_path):
    base = make_base(tmp_path)
    caption = next(folder(base).glob("*.txt"))
    caption.write_bytes(b"")

    checked(base)

    assert caption.read_bytes() == b"\n"


def test_a_model_of_the_other_family_is_wrong_model_family(tmp_path):
    base = make_base(tmp_path)
    assert refused(base, fm_type="sd_xl").code == "wrong_model_family"

    write_safetensors(model(base), sdxl_shapes())
    failure = refused(base)
    assert failure.code == "wrong_model_family"
    assert "SDXL" in failure.message


@pytest.mark.parametrize("data", [None, b"", b"<html>not found</html>" * 10])
def test_a_model_that_is_no_safetensors_is_unreadable_model(tmp_path, data):
    base = make_base(tmp_path)
    model(base).unlink()
    if data is not None:
        model(base).write_bytes(data)

    assert refused(base).code == "unreadable_model"


def test_a_truncated_model_is_unreadable_model_and_both_sizes_are_told(tmp_path):
    base = make_base(tmp_path)
    size = model(base).stat().st_size
    model(base).write_bytes(model(base).read_bytes()[:-100])

    assert f"has {size - 100} bytes, its header says {size}" in refused(base).message


def tensors(tmp_path, shapes):
    return read_header(write_safetensors(tmp_path / "m.safetensors", shapes)).tensors


def test_the_family_is_read_from_the_names(tmp_path):
    assert family(tensors(tmp_path, sd15_shapes())) == "sd_1_5"
    assert family(tensors(tmp_path, sdxl_shapes())) == "sd_xl"


def test_inpainting_sd2_and_unet_only_models_are_of_another_family(tmp_path):
    first = "model.diffusion_model.input_blocks.0.0.weight"
    inpainting = sd15_shapes() | {first: (32, 9, 3, 3)}
    sd2 = {
        name.replace("cond_stage_model.", "cond_stage_model.model."): shape
        for name, shape in sd15_shapes().items()
    }
    unet_only = {k: v for k, v in sd15_shapes().items() if k.startswith("model.")}

    for shapes in (inpainting, sd2, unet_only, {"lora_unet_x.alpha": ()}):
        assert family(tensors(tmp_path, shapes)) == "other"
