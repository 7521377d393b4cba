"""A real Slurm on this machine for tests: munge, slurmctld and several slurmd as nodes, in a folder of its own.

Nothing of the machine's configuration is read or written, no service manager is needed, and what was started is stopped
by its process number. GPUs are character devices that do nothing: Slurm counts them, hands them out and sets
CUDA_VISIBLE_DEVICES; runs compute on the processor. Needs root, as slurmd does, and the packages of PACKAGES.

    with Slurm(folder) as slurm:
        subprocess.run(["sbatch", ...], env=os.environ | slurm.environment)
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

PACKAGES = ("munge", "slurmctld", "slurmd", "slurm-client")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "srun", "scancel", "scontrol")
NULL = os.makedev(1, 3)  # the device /dev/null
SET_PARENT_DEATH_SIGNAL = 1  # prctl(2)
PATIENCE = 60.0  # seconds until a daemon answers

CONFIGURATION = """
ClusterName=atlas
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CryptoType=crypto/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=10
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=UsePss,OverMemoryKill
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,bf_interval=1,sched_interval=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
ReturnToService=2
SlurmctldTimeout=10
SlurmdTimeout=10
InactiveLimit=0
KillWait=5
CompleteWait=0
MinJobAge=7200
JobRequeue=1
EnforcePartLimits=ALL
PropagateResourceLimits=NONE
{nodes}
PartitionName=DEFAULT State=UP MaxTime=24:00:00 DefaultTime=00:10:00 DefMemPerCPU=500
PartitionName=gpu Nodes={gpu_nodes} PriorityTier=1 GraceTime={grace}
PartitionName=urgent Nodes={gpu_nodes} PriorityTier=2
PartitionName=cpu Nodes={cpu_nodes} Default=YES
"""


def missing() -> list[str]:
    """What is missing here to start a Slurm; empty if nothing is."""
    lacking = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    return lacking if os.geteuid() == 0 else [*lacking, "the rights of root"]


def _path() -> str:
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


@dataclass
class Slurm:
    """A cluster of nodes gpu1, gpu2, ... and cpu1, ...; each with `cpus`, `memory_mb`, and those with `gpus`.

    grace: seconds between the signal and the kill where a job of the partition gpu is preempted by one of `urgent`.
    """

    folder: Path
    gpu_nodes: int = 2
    cpu_nodes: int = 1
    cpus: int = 4
    memory_mb: int = 32_000
    gpus: int = 2
    grace: int = 20
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What a command needs to talk to it."""
        path = os.pathsep.join([str(self.folder / "bin"), _path()])
        return {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": path}

    @property
    def names(self) -> list[str]:
        """Names of the nodes."""
        gpus = [f"gpu{number + 1}" for number in range(self.gpu_nodes)]
        return gpus + [f"cpu{number + 1}" for number in range(self.cpu_nodes)]

    def __enter__(self) -> Slurm:
        """Start everything, and wait until all nodes are idle."""
        for name in ("munge", "state", "log", "dev", "bin"):
            (self.folder / name).mkdir(parents=True)
        try:
            self._configure()
            self._start_munge()
            self.start_controller()
            for node in self.names:
                self.start_node(node)
            wait_until(self._all_idle, "the nodes are idle", PATIENCE)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _configure(self) -> None:
        host, nodes, gres = socket.gethostname().split(".")[0], [], []
        for name in self.names:
            with_gpus = f" Gres=gpu:{self.gpus}" if name.startswith("gpu") else ""
            nodes.append(
                f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={free_port()} CPUs={self.cpus} "
                f"RealMemory={self.memory_mb}{with_gpus} State=UNKNOWN"
            )
            if with_gpus:
                gres.append(f"NodeName={name} Name=gpu File={self.folder}/dev/nvidia[0-{self.gpus - 1}]")
        text = CONFIGURATION.format(
            host=host,
            folder=self.folder,
            controller_port=free_port(),
            nodes="\n".join(nodes),
            gpu_nodes=",".join(name for name in self.names if name.startswith("gpu")),
            cpu_nodes=",".join(name for name in self.names if name.startswith("cpu")),
            grace=self.grace,
        )
        (self.folder / "slurm.conf").write_text(text, encoding="utf-8")
        (self.folder / "gres.conf").write_text("\n".join(gres) + "\n", encoding="utf-8")
        # The executor takes all variables SLURM_* from a job's step, with them where the configuration is.
        srun = self.folder / "bin/srun"
        srun.write_text(
            f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {shutil.which("srun", path=_path())} "$@"\n',
            encoding="utf-8",
        )
        srun.chmod(0o755)
        for number in range(self.gpus):  # a plain file is counted, but not handed out
            os.mknod(self.folder / f"dev/nvidia{number}", stat.S_IFCHR | 0o666, NULL)

    def _start_munge(self) -> None:
        """A munge of its own: another key and another socket than the machine's, if it has one."""
        folder = self.folder / "munge"
        folder.chmod(0o755)
        key = folder / "key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        self._start(
            "munged",
            "--foreground",
            "--force",
            f"--key-file={key}",
            f"--socket={folder}/socket",
            f"--pid-file={folder}/pid",
            f"--log-file={folder}/log",
            f"--seed-file={folder}/seed",
        )
        wait_until((folder / "socket").exists, "munged listens", PATIENCE)

    def start_controller(self) -> None:
        """Start slurmctld, which goes on where an earlier one was."""
        self._start("slurmctld", "-D")
        wait_until(lambda: "is UP" in self.say("scontrol", "ping"), "the controller answers", PATIENCE)

    def start_node(self, name: str) -> None:
        """Start the slurmd of a node."""
        (self.folder / f"spool-{name}").mkdir(exist_ok=True)
        self._start("slurmd", "-D", "-N", name, called=name)

    def _start(self, program: str, *arguments: str, called: str = "") -> None:
        with (self.folder / "log" / f"{called or program}.out").open("ab") as log:
            self.processes[called or program] = subprocess.Popen(
                [shutil.which(program, path=_path()) or program, *arguments],
                env=os.environ | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_end_with_starter,
            )

    def kill(self, name: str, how: int = signal.SIGKILL) -> None:
        """End a daemon by its number: `slurmctld`, `munged`, or the slurmd of a node. Its jobs live on."""
        process = self.processes.pop(name)
        process.send_signal(how)
        process.wait(PATIENCE)

    def stop(self) -> None:
        """Cancel all jobs, and end all that was started, by number."""
        if "slurmctld" in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.say("scancel", "--user=root", timeout=10)
                wait_until(lambda: not self.jobs(), "no job is left", 20, must=False)
        for name in [*self.names, "slurmctld", "munged"]:
            process = self.processes.pop(name, None)
            if process is None:
                continue
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def say(self, *command: str, timeout: float = 30) -> str:
        """What a command of Slurm's prints."""
        done = subprocess.run(
            command,
            env=os.environ | self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
        )
        return done.stdout

    def jobs(self, states: str = "pending,running,completing") -> list[dict[str, str]]:
        """Jobs in some states: id, state, node, rule and wildcards as the executor notes them."""
        told = self.say("squeue", "--noheader", f"--states={states}", "--format=%A|%T|%N|%P|%k|%r")
        names = ("id", "state", "node", "partition", "comment", "reason")
        return [
            dict(zip(names, line.split("|"), strict=True))
            for line in told.splitlines()
            if line.count("|") == 5
        ]

    def node(self, name: str) -> str:
        """The state of a node, such as IDLE or DOWN."""
        fields = dict(
            each.split("=", 1) for each in self.say("scontrol", "show", "node", name).split() if "=" in each
        )
        return fields.get("State", "UNKNOWN")

    def set_node(self, name: str, state: str) -> None:
        """Have the controller think otherwise of a node: `down` or `resume`."""
        self.say("scontrol", "update", f"nodename={name}", f"state={state}", "reason=test")

    def _all_idle(self) -> bool:
        states = self.say("sinfo", "--noheader", "--Node", "--format=%N %T").splitlines()
        idle = {
            line.split()[0] for line in states if line.split()[1:] in (["idle"], ["mixed"], ["allocated"])
        }
        return idle == set(self.names)


def _end_with_starter() -> None:
    """Have the kernel end a daemon when the test that started it ends, however that ends: two would share a state."""
    ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)


def free_port() -> int:
    """A port that nobody listens to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(is_so: Callable[[], object], what: str, seconds: float, *, must: bool = True) -> bool:
    """Look again and again until something is so. Raises TimeoutError if it does not come to be, if it must."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            if must:
                raise TimeoutError(f"after {seconds:.0f} s still not so: {what}")
            return False
        time.sleep(0.1)
    return True
