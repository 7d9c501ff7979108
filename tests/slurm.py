"""A SLURM cluster of one node on this machine, started and stopped by the tests."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel")
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
SlurmdTimeout=10
ReturnToService=2
KillWait=2
SchedulerParameters=sched_interval=1,batch_sched_delay=0
# Possibly more memory than the machine has: the stages request that of the paper's scale.
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=64000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


class Slurm:
    """Munge, one controller and one node in `folder`; SLURM's commands use them with `environment`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: dict[str, subprocess.Popen] = {}
        configuration = {"SLURM_CONF": str(folder / "slurm.conf")}
        # The executor starts srun without SLURM's variables, so srun needs a wrapper with the configuration's path.
        programs = folder / "bin"
        programs.mkdir()
        (programs / "srun").write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {which("srun")} "$@"\n')
        (programs / "srun").chmod(0o755)
        self.environment = configuration | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}

    def start(self) -> None:
        """Start all three; returns when the node accepts jobs."""
        folder = self._folder
        for name in ("state", "spool"):
            (folder / name).mkdir()
        folder.chmod(0o755)
        key = folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        host = socket.gethostname().split(".")[0]
        controller_port, node_port = free_ports(2)
        (folder / "slurm.conf").write_text(
            CONFIGURATION.format(host=host, folder=folder, controller_port=controller_port, node_port=node_port)
        )
        self._run(
            "munged",
            "--foreground",
            "--force",
            f"--socket={folder}/munge.socket",
            f"--key-file={key}",
            f"--pid-file={folder}/munged.pid",
            f"--log-file={folder}/munged.log",
            f"--seed-file={folder}/munged.seed",
        )
        wait_for(lambda: (folder / "munge.socket").exists(), "munge")
        self._run("slurmctld", "-D")
        self.start_node()
        wait_for(lambda: "idle" in self.command("sinfo", "--noheader", "--format=%t"), "the node")

    def start_node(self) -> None:
        """Start the node's daemon."""
        self._run("slurmd", "-D")

    def kill_node(self) -> None:
        """Kill the node's daemon (SIGKILL); its child processes continue."""
        self._processes["slurmd"].kill()
        self._processes.pop("slurmd").wait()

    def command(self, *command: str) -> str:
        """Run one of SLURM's commands and return its output."""
        environment = os.environ | self.environment
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout

    def running(self) -> dict[str, str]:
        """The running jobs: id -> comment, which contains the name of Snakemake's rule."""
        lines = self.command("squeue", "--noheader", "--states=RUNNING", "--format=%i|%k").splitlines()
        return dict(line.split("|", 1) for line in lines)

    def stop(self) -> None:
        """End all jobs and daemons."""
        self.command("scancel", "--user=root")
        for process in reversed(self._processes.values()):
            process.terminate()
        for process in self._processes.values():
            process.wait(timeout=30)

    def _run(self, program: str, *arguments: str) -> None:
        with open(self._folder / f"{program}.out", "ab") as output:
            self._processes[program] = subprocess.Popen(
                [which(program), *arguments], env=os.environ | self.environment, stdout=output, stderr=output
            )


def which(program: str) -> str | None:
    """The path of `program`, or None; daemons are outside the usual PATH."""
    return shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def free_ports(count: int) -> list[int]:
    """Find unused ports of this machine."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [x.getsockname()[1] for x in sockets]
    for x in sockets:
        x.close()
    return ports


def wait_for(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Wait until `condition` is true; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s for {what} in vain"
        time.sleep(0.2)
