"""Processes: started in a session of their own, recognised after a crash, ended as a group.

A pid alone proves nothing, since the kernel uses it again: a process is ours when its start time is the
recorded one, or, for what is left of a group whose leader is gone, when it carries this stack's `CDC_HOME`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

from local_stack.component import Command, StackContext
from local_stack.supervisor.record import ComponentRecord

LAUNCHER = Path(__file__).with_name("launcher.py")
LOG_LIMIT_BYTES = 50_000_000
KILL_WAIT_S = 5.0
INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TZ")


def find_birth(pid: int) -> str:
    """The kernel's start time of a process, "" when there is none.

    It is counted from boot, so it does not move with the clock as `psutil.Process.create_time` does.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")[:8]
    except (FileNotFoundError, ProcessLookupError):
        return ""
    fields = stat.rsplit(")", 1)[1].split()  # the name before it may hold anything
    return "" if fields[0] == "Z" else f"{boot}:{fields[19]}"


def is_alive(pid: int | None, birth: str) -> bool:
    """Whether that very process runs."""
    return bool(pid and birth) and find_birth(pid or 0) == birth


def spawn(command: Command, ctx: StackContext, log: Path) -> subprocess.Popen[bytes]:
    """Start a component's process in its own session; its output is appended to the log.

    The calling thread must live as long as the process: the kernel counts the death of the thread that forked
    as the death of the parent.
    """
    rotate(log)
    base = {key: value for key in INHERITED if (value := os.environ.get(key))}
    env = {
        **base,
        "LANG": "C.UTF-8",
        "JAVA_HOME": str(ctx.java_home),
        "CDC_HOME": str(ctx.home),
        **command.env,
    }
    launcher = (sys.executable, "-I", "-S", str(LAUNCHER), str(int(command.stop_signal)), str(os.getpid()))
    with log.open("ab") as output:
        return subprocess.Popen(
            (*launcher, *command.argv),
            cwd=command.cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def rotate(log: Path, limit: int = LOG_LIMIT_BYTES) -> None:
    """Move a log that has grown too long aside, so that a stack which runs for weeks keeps two of them."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > limit:
        log.replace(log.with_name(log.name + ".1"))


def last_line(log: Path, *, window: int = 4096) -> str:
    """The last line of a log that is not empty."""
    try:
        with log.open("rb") as handle:
            handle.seek(max(0, log.stat().st_size - window))
            lines = handle.read().decode("utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def group_members(pgid: int) -> list[psutil.Process]:
    """The live processes of a process group that is also a session, as each component's is."""
    return [p for p in psutil.process_iter() if _group_of(p.pid) == (pgid, pgid) and _lives(p)]


def _group_of(pid: int) -> tuple[int, int] | None:
    try:
        return os.getpgid(pid), os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _lives(process: psutil.Process) -> bool:
    """Whether it runs; an orphan that ended but that init has not reaped yet does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def end_processes(processes: Iterable[psutil.Process], signum: int, timeout_s: float) -> None:
    """Signal, wait, and kill what is still there; psutil checks each pid against reuse."""
    victims = list(processes)
    for process in victims:
        _send(process, signum)
    for process in _wait_for_end(victims, timeout_s):
        _send(process, signal.SIGKILL)
    _wait_for_end(victims, KILL_WAIT_S)


def _wait_for_end(processes: list[psutil.Process], timeout_s: float) -> list[psutil.Process]:
    deadline = time.monotonic() + timeout_s
    while (alive := [p for p in processes if _lives(p)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return alive


def _send(process: psutil.Process, signum: int) -> None:
    try:
        process.send_signal(signum)
    except psutil.NoSuchProcess:
        return


def stop_child(child: subprocess.Popen[bytes], command: Command, grace_s: float) -> None:
    """Ask the leader to stop, and end whatever its group leaves behind."""
    if child.poll() is None:
        child.send_signal(command.stop_signal)
        try:
            child.wait(command.stop_timeout_s)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    end_processes(group_members(child.pid), signal.SIGTERM, grace_s)


def find_leftovers(record: ComponentRecord, home: Path) -> list[psutil.Process]:
    """What still runs of a component whose supervisor is gone; never a process of anybody else."""
    if record.pid is None:
        return []
    if is_alive(record.pid, record.birth):
        return group_members(record.pid)
    if find_birth(record.pid):  # the number belongs to somebody else now, and the group with it
        return []
    return [process for process in group_members(record.pid) if _belongs_to(process, home)]


def _belongs_to(process: psutil.Process, home: Path) -> bool:
    try:
        return bool(process.environ().get("CDC_HOME") == str(home))
    except psutil.Error:
        return False


def end_leftovers(records: Iterable[ComponentRecord], home: Path, timeout_s: float = 20.0) -> list[str]:
    """End what a dead supervisor left behind, last started first, and name what was there."""
    ended: list[str] = []
    deadline = time.monotonic() + timeout_s
    for record in reversed(tuple(records)):
        leftovers = find_leftovers(record, home)
        if leftovers:
            ended.append(record.name)
            leaders = [process for process in leftovers if process.pid == record.pid] or leftovers
            end_processes(leaders, record.stop_signal, max(1.0, deadline - time.monotonic()))
            end_processes(find_leftovers(record, home), signal.SIGTERM, 3.0)
    return ended
