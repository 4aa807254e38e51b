"""Runs in sd-scripts' own environment: what it makes of datasets, as JSON, without a model.

    python sd_scripts_arithmetic.py SD_SCRIPTS_FOLDER CASES.json ANSWERS.json

The datasets are built by sd-scripts' own classes as train_network.py builds them; the statements
that reckon steps are taken out of the syntax tree of its `train` and executed as they stand.
"""

import ast
import json
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

WANTED = ("args.max_train_steps", "num_update_steps_per_epoch", "num_train_epochs")


def main(home: Path, cases: Path, answers: Path) -> None:
    sys.path.insert(0, str(home))
    import sdxl_train_network
    import train_network

    trainers = {
        "sd_1_5": (train_network.NetworkTrainer, train_network.setup_parser),
        "sd_xl": (sdxl_train_network.SdxlNetworkTrainer, sdxl_train_network.setup_parser),
    }
    statements = _step_statements(home / "train_network.py")
    found = []
    for case in json.loads(cases.read_text()):
        trainer, parser = trainers[case["fm_type"]]
        args = parser().parse_args([])
        vars(args).update(case["options"])
        try:
            found.append(_reckon(trainer(), args, case, statements))
        except (AssertionError, ZeroDivisionError) as error:
            found.append({"error": f"{type(error).__name__}: {error}"})
    answers.write_text(json.dumps(found))


def _reckon(trainer: Any, args: Any, case: dict, statements: list[ast.stmt]) -> dict:
    import torch
    from accelerate.data_loader import prepare_data_loader
    from library import config_util, train_util

    train_util.prepare_dataset_args(args, True)
    sanitizer = config_util.ConfigSanitizer(True, True, args.masked_loss, True)
    written = case.get("dataset_config")
    config = config_util.load_user_config(written) if written else {"datasets": case["datasets"]}
    blueprint = config_util.BlueprintGenerator(sanitizer).generate(config, args)
    group, _ = config_util.generate_dataset_group_by_blueprint(blueprint.dataset_group)
    trainer.assert_extra_args(args, group, None)
    loader = torch.utils.data.DataLoader(group, batch_size=1, shuffle=True)
    batches = len(loader)
    names: dict[str, Any] = {
        "args": args,
        "math": __import__("math"),
        "train_dataloader": loader,
        "accelerator": SimpleNamespace(num_processes=case["gpus"], print=lambda *_: None),
    }
    before, after = statements[:1], statements[1:]
    _execute(before, names)
    names["train_dataloader"] = prepare_data_loader(
        loader, num_processes=case["gpus"], process_index=0, put_on_device=False
    )
    _execute(after, names)
    return {
        "regularisation": sum(map(_regularisation, group.datasets)),
        "datasets": [_layout(dataset) for dataset in group.datasets],
        "batches": batches,
        "samples": group.num_train_images,
        "steps_per_epoch": names["num_update_steps_per_epoch"],
        "epochs": names["num_train_epochs"],
        "total_steps": args.max_train_steps,
    }


def _layout(dataset: Any) -> dict:
    manager = dataset.bucket_manager
    images = Counter(info.bucket_reso for info in dataset.image_data.values())
    samples = dict(zip(manager.resos, map(len, manager.buckets), strict=True))
    return {
        "buckets": [[*reso, images[reso], samples[reso]] for reso in sorted(images)],
        "batches": len(dataset),
    }


def _regularisation(dataset: Any) -> int:
    return sum(info.num_repeats for info in dataset.image_data.values() if info.is_reg)


def _step_statements(source: Path) -> list[ast.stmt]:
    """The statements of train_network.py that set the steps and epochs, in their order."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    train = next(
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == "train"
    )
    found = [one for one in train.body if _sets_steps(one)]
    assert len(found) == len(WANTED), [ast.unparse(one) for one in found]
    return found


def _sets_steps(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.If):
        return ast.unparse(statement.test) == "args.max_train_epochs is not None"
    return isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) in WANTED


def _execute(statements: list[ast.stmt], names: dict[str, Any]) -> None:
    exec(compile(ast.Module(statements, []), "train_network.py", "exec"), names)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
