"""The job files of experiments/cluster, as far as one machine can run them: programs of the cluster
are replaced by scripts that do what they do, on this machine."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from processes import LIMIT_SECONDS, free_port

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "experiments" / "cluster"
SCRIPTS = sorted(FOLDER.glob("*.sh"))

# What Slurm sets for each task, and JAX reads.
SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do shift; done
for task in 0 1; do
    SLURM_PROCID=$task SLURM_LOCALID=$task SLURM_NTASKS=2 SLURM_STEP_NODELIST=localhost \\
        SLURM_STEP_NUM_NODES=1 "$@" &
    tasks+=($!)
done
highest=0
for task in "${tasks[@]}"; do wait $task; code=$?; ((code > highest)) && highest=$code; done
exit $highest
"""
SAY = '#!/bin/bash\necho "$(basename "$0")" "$@" >> "$OUTPUT"\n'
ASK_TO_END = "#!/bin/bash\nexit 143\n"


def test_there_are_job_files():
    assert {path.name for path in FOLDER.iterdir()} == {
        "slurm.sh",
        "slurm_sweep.sh",
        "tpu_pod.sh",
        "jobset.yaml",
    }


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_can_be_read_and_run(script):
    subprocess.run(["bash", "-n", script], check=True)
    assert os.access(script, os.X_OK)
    wrong = [line for line in script.read_text().splitlines() if line.startswith("#SBATCH")]
    assert all(line.startswith("#SBATCH --") for line in wrong)


@pytest.fixture
def cluster(tmp_path):
    """run(script, arguments, programs, environment) -> (process, the output of the programs)."""
    folder = tmp_path / "programs"
    folder.mkdir()

    ours = {"python": f'#!/bin/bash\nexec {sys.executable} "$@"\n'}

    def run(script, *arguments, programs, **environment):
        for name, text in (programs | ours).items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        output = tmp_path / "output"
        output.unlink(missing_ok=True)
        variables = {
            "PATH": f"{folder}:{os.environ['PATH']}",
            "OUTPUT": str(output),
            "XLA_FLAGS": "",
            "SLURM_JOB_ID": str(free_port()),
            "SLURM_CPUS_PER_TASK": "8",
            **environment,
        }
        with subprocess.Popen(
            ["bash", FOLDER / script, *arguments],
            cwd=ROOT,
            env=os.environ | variables,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as started:
            try:
                out, err = started.communicate(timeout=LIMIT_SECONDS)
            except BaseException:
                os.killpg(started.pid, signal.SIGKILL)  # and all that it has started
                raise
        done = subprocess.CompletedProcess(started.args, started.returncode, out, err)
        return done, output.read_text() if output.exists() else ""

    return run


@pytest.mark.slow
def test_slurm_trains_with_its_tasks(cluster, tmp_path, data_directory):
    done, output = cluster(
        "slurm.sh",
        "tests/tiny.py",
        str(tmp_path / "run"),
        "--config.steps=10",
        f"--config.data.directory={data_directory}",
        programs={"srun": SRUN, "scontrol": SAY},
    )
    assert done.returncode == 0, done.stderr
    assert '"processes": 2' in (tmp_path / "run" / "run.json").read_text()
    assert output == ""


@pytest.mark.slow
@pytest.mark.parametrize("script", ["slurm.sh", "slurm_sweep.sh"])
def test_slurm_requeues_a_job_that_was_asked_to_end(cluster, script):
    programs = {"srun": ASK_TO_END, "scontrol": SAY}
    done, output = cluster(script, programs=programs, SLURM_JOB_ID="7", SLURM_ARRAY_TASK_ID="3")
    assert done.returncode == 143 and output == "scontrol requeue 7\n"
    codes = (3, 75, 134, 135, 137, 139) if script == "slurm.sh" else (75, 137)
    for code, before in [(code, before) for code in codes for before in ("0", "20")]:
        done, output = cluster(
            script,
            programs=programs | {"srun": f"#!/bin/bash\nexit {code}\n"},
            SLURM_JOB_ID="7",
            SLURM_ARRAY_TASK_ID="3",
            SLURM_RESTART_COUNT=before,
        )
        assert done.returncode == code and output == (
            "scontrol requeue 7\n" if before == "0" else ""
        )
    failing = programs | {"srun": "#!/bin/bash\nexit 2\n"}
    done, output = cluster(script, programs=failing, SLURM_JOB_ID="7", SLURM_ARRAY_TASK_ID="3")
    assert done.returncode == 2 and output == ""


def test_a_sweep_is_an_array(cluster):
    done, output = cluster(
        "slurm_sweep.sh",
        "mnist_clustering",
        "--runs=a b",
        programs={"srun": SAY},
        SLURM_ARRAY_TASK_ID="5",
    )
    assert done.returncode == 0
    words = "-m iae_jax.sweep mnist_clustering --seeds=3 --only=5 --runs=a b"
    assert output == f"srun --cpus-per-task=8 python {words}\n"


def test_every_worker_of_a_tpu_pod_gets_the_command(cluster):
    """The words reach the workers' shell unchanged."""
    words = "${last#--command=*launch }"
    worker = f'#!/bin/bash\nfor last; do :; done\neval "printf \'%s\\n\' {words}" > "$OUTPUT"\n'
    done, output = cluster(
        "tpu_pod.sh",
        "experiments/digits.py",
        "runs/my pod",
        "--config.seed=3",
        programs={"gcloud": worker},
        TPU="pod",
        ZONE="z",
    )
    assert done.returncode == 0, done.stderr
    assert output.splitlines() == [
        "--distributed",
        "--config=experiments/digits.py",
        "--workdir=runs/my pod",
        "--config.seed=3",
    ]
    done, _ = cluster("tpu_pod.sh", programs={"gcloud": worker}, ZONE="z")
    assert done.returncode != 0 and "the name of the TPU VM" in done.stderr


def test_kubernetes_starts_as_many_processes_as_the_run_expects(tmp_path):
    """Oracle: the names that Kubernetes' documentation gives the pods of an indexed JobSet."""
    manifest = yaml.safe_load((FOLDER / "jobset.yaml").read_text())
    assert (manifest["apiVersion"], manifest["kind"]) == ("jobset.x-k8s.io/v1alpha2", "JobSet")
    name, spec = manifest["metadata"]["name"], manifest["spec"]
    (job,) = spec["replicatedJobs"]
    indexed = job["template"]["spec"]
    assert indexed["completionMode"] == "Indexed" and indexed["backoffLimit"] == 0
    assert job["replicas"] == 1 and indexed["parallelism"] == indexed["completions"]
    # An error that the user has to fix ends the set; any other restarts it.
    (rule,) = indexed["podFailurePolicy"]["rules"]
    (ended,) = spec["failurePolicy"]["rules"]
    assert rule["action"] == "FailJob" and rule["onExitCodes"]["values"] == [2]
    assert ended == {"action": "FailJobSet", "onJobFailureReasons": ["PodFailurePolicy"]}
    pod = indexed["template"]["spec"]
    assert pod["restartPolicy"] == "Never" and pod["terminationGracePeriodSeconds"] >= 120
    (container,) = pod["containers"]
    variables = {one["name"]: one["value"] for one in container["env"]}
    assert int(variables["PROCESSES"]) == indexed["completions"]
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    assert mounts == {volume["name"] for volume in pod["volumes"]}
    (tmp_path / "python").write_text('#!/bin/bash\nprintf "%s\\n" "$@"\n')
    (tmp_path / "python").chmod(0o755)
    output = subprocess.run(
        [*container["command"], *container["args"]],
        check=True,
        capture_output=True,
        text=True,
        env={**variables, "JOB_COMPLETION_INDEX": "2", "PATH": f"{tmp_path}:{os.environ['PATH']}"},
    ).stdout.splitlines()
    pod_0 = f"{name}-{job['name']}-0-0.{spec['network']['subdomain']}"
    port = container["ports"][0]["containerPort"]
    assert output == [
        "-m",
        "iae_jax.launch",
        f"--config={variables['CONFIG']}",
        "--workdir=/runs/iae-jax",
        "--config.data.directory=/runs/data",
        f"--coordinator={pod_0}:{port}",
        "--processes=4",
        "--process=2",
    ]
