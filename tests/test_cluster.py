"""Scripts of docs/cluster/, for clusters that are not here: grammar, options, numbers that must agree."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from torch.distributed.run import get_args_parser

from preprocess.settings import share_of
from tests.test_snippets import wrong_options

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "cluster"
SCRIPTS = sorted(FOLDER.glob("*.sh"))
JOBS = sorted(FOLDER.glob("*.yaml"))
SBATCH = {
    "job-name",
    "array",
    "nodes",
    "ntasks-per-node",
    "gpus-per-node",
    "cpus-per-task",
    "mem",
    "time",
    "requeue",
}
"""Options of sbatch, by its manual, that the scripts use."""
by_file = pytest.mark.parametrize("file", [*SCRIPTS, *JOBS], ids=lambda file: file.name)
by_script = pytest.mark.parametrize("script", SCRIPTS, ids=lambda file: file.name)


def documents(file: Path) -> dict[str, Any]:
    """What a file of Kubernetes asks for, by kind."""
    return {each["kind"]: each for each in yaml.safe_load_all(file.read_text())}


def shell_of(file: Path) -> str:
    """The shell's part of a script or Job."""
    if file.suffix == ".sh":
        return file.read_text()
    (container,) = documents(file)["Job"]["spec"]["template"]["spec"]["containers"]
    shell, flag, text = container["command"]
    assert (shell, flag) == ("bash", "-c")
    return str(text)


def commands(text: str) -> dict[str, list[str]]:
    """The words after each `python -m module`, by module; torchrun's end where ours begin."""
    joined = re.sub(r"\\\n\s*", " ", text)
    parts = re.findall(r" -m ([\w.]+)(.*?)(?= -m |$)", joined, re.M)
    # One quote too many closes what began before the program's name.
    whole = {module: rest.removesuffix('"') if rest.count('"') % 2 else rest for module, rest in parts}
    return {module: shlex.split(rest) for module, rest in whole.items()}


def sbatch(script: Path) -> dict[str, str]:
    return dict(re.findall(r"^#SBATCH --([\w-]+)(?:=(.*))?$", script.read_text(), re.M))


@by_file
def test_the_shells_grammar(file: Path) -> None:
    done = subprocess.run(["bash", "-n"], input=shell_of(file), capture_output=True, text=True, check=False)
    assert not done.returncode and not done.stderr, done.stderr


@by_file
def test_options_are_the_commands_own(file: Path) -> None:
    found = commands(shell_of(file))
    assert {"preprocess", "train"} & {*found}
    for module in {"preprocess", "train"} & {*found}:
        assert not wrong_options([module], found[module])
    if torchrun := found.get("torch.distributed.run"):
        assert not [
            *filter(None, get_args_parser().parse_known_args([*torchrun, "x.py"])[0].training_script_args)
        ]
        known = {name for action in get_args_parser()._actions for name in action.option_strings}
        assert {word.partition("=")[0] for word in torchrun} <= known


def test_a_wrong_option_would_be_found() -> None:
    found = commands("x -m torch.distributed.run --nodes=2 \\\n  -m train --recipes x --fold 0\n")
    assert found == {"torch.distributed.run": ["--nodes=2"], "train": ["--recipes", "x", "--fold", "0"]}
    assert wrong_options(["train"], found["train"]) == {"--recipes"}


@by_script
def test_scripts_stop_at_the_first_fault_and_name_only_options_of_slurm(script: Path) -> None:
    text = script.read_text()
    assert text.startswith("#!/bin/bash\n") and "\nset -euo pipefail\n" in text
    assert text.count("#SBATCH --") == len(sbatch(script))
    assert {*sbatch(script)} <= SBATCH
    assert ("slurm" in script.name) == bool(sbatch(script))


def test_the_arrays_shares_are_all_shares() -> None:
    script = FOLDER / "preprocess.slurm.sh"
    first, last = map(int, sbatch(script)["array"].split("-"))
    told = re.search(r"^SHARES=(\d+)$", script.read_text(), re.M)
    assert told
    count = int(told[1])
    assert (first, last) == (0, count - 1)
    assert '"$SLURM_ARRAY_TASK_ID/$SHARES"' in script.read_text()
    job = documents(FOLDER / "preprocess.yaml")["Job"]["spec"]
    assert job["completionMode"] == "Indexed"
    assert f'--shard "$JOB_COMPLETION_INDEX/{job["completions"]}"' in shell_of(FOLDER / "preprocess.yaml")
    for shares in (count, job["completions"]):
        made = [shard for i in range(shares) for shard in share_of(f"{i}/{shares}", range(100))]
        assert sorted(made) == [*range(100)]


def test_as_many_machines_and_gpus_are_asked_for_as_meet() -> None:
    script = FOLDER / "train.slurm.sh"
    asked = sbatch(script)
    assert asked["ntasks-per-node"] == "1"  # torchrun begins the others
    assert f"\nGPUS={asked['gpus-per-node']}\n" in script.read_text()
    both = documents(FOLDER / "train.yaml")
    job, service = both["Job"], both["Service"]
    options = dict(
        w.split("=", 1) for w in commands(shell_of(FOLDER / "train.yaml"))["torch.distributed.run"]
    )
    spec = job["spec"]
    assert spec["completionMode"] == "Indexed"
    assert int(options["--nnodes"]) == spec["completions"] == spec["parallelism"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert int(options["--nproc-per-node"]) == container["resources"]["limits"]["nvidia.com/gpu"]
    name = job["metadata"]["name"]
    assert service["spec"]["selector"] == {"job-name": name} and service["spec"]["clusterIP"] == "None"
    assert pod["subdomain"] == service["metadata"]["name"]
    (port,) = service["spec"]["ports"]
    assert options["--rdzv-endpoint"] == f"{name}-0.{pod['subdomain']}:{port['port']}"


@pytest.mark.parametrize("job", JOBS, ids=lambda file: file.name)
def test_what_a_pod_mounts_is_there_and_failures_are_counted(job: Path) -> None:
    asked = documents(job)["Job"]
    assert asked["apiVersion"] == "batch/v1"
    spec, pod = asked["spec"], asked["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == ("Never" if "backoffLimitPerIndex" in spec else "OnFailure")
    (container,) = pod["containers"]
    assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in pod["volumes"]}
    assert container["image"] and container["workingDir"] == "/facefold"
