"""The README's quickstart, run as it is printed."""

import re
import subprocess
from pathlib import Path

from local_stack import REPOSITORY, LocalStack
from safetensors import safe_open

from local.demo import material

README = REPOSITORY / "README.md"


def quickstart() -> str:
    section = README.read_text().split("<!-- quickstart -->")[1].split("<!-- /quickstart -->")[0]
    return "\n".join(re.findall(r"```sh\n(.*?)```", section, flags=re.DOTALL))


def test_the_quickstart_ends_with_a_lora(stack: LocalStack, make_workspace, tmp_path: Path) -> None:
    demo = tmp_path / ".lorastack" / "demo"
    demo.mkdir(parents=True)
    material.write_small_model(demo / "small-sd_1_5.safetensors")
    material.draw_dataset(demo)
    (tmp_path / ".lorastack" / "token").write_text(make_workspace("reader"))
    script = quickstart().replace("http://127.0.0.1:8080/v1", stack.url)

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    told = done.stdout.splitlines()
    assert told[0] == "ready sd_1_5"
    assert told[1] == "ready 20 0"
    assert told[2] == "True [] 400"
    assert "succeeded None" in told
    with safe_open(tmp_path / "tusiji-style.safetensors", framework="numpy") as file:
        assert len(file.keys()) == 90
