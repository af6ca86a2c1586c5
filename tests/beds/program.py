"""A program that runs beside the tests: found, started, paused, killed, and quoted when something goes wrong."""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TypeVar

PATIENCE_SECONDS = 60.0  # generous: continuous integration shares its cores
ADMINISTRATORS_PATH = ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin"
_END_WITH_STARTER = ("setpriv", "--pdeathsig", "KILL")
_HOMES = ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR")
_TAIL_BYTES = 4000

Answer = TypeVar("Answer")


class NotInstalledError(Exception):
    """Something that a test bed is built from is not on this machine; the text says what would bring it."""


class BedError(Exception):
    """A program did not do what it was asked; the text ends with what it wrote last."""


def find(name: str, *, package: str) -> str:
    """Return the path of program *name*, or raise `NotInstalledError` with the Debian *package* that has it."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ADMINISTRATORS_PATH)
    if path is None:
        raise NotInstalledError(f"{name} is not installed (Debian package {package})")
    return path


def clean_environment(folder: Path, **more: str) -> dict[str, str]:
    """Return an environment that owes nothing to this user's: its homes are in *folder*."""
    homes = {name: str(folder) for name in _HOMES}
    return {"PATH": os.environ.get("PATH", "") + ADMINISTRATORS_PATH, "LANG": "C.UTF-8", **homes, **more}


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def until(question: Callable[[], Answer | None], what: str, *, seconds: float = PATIENCE_SECONDS) -> Answer:
    """Ask *question* until its answer is true, and return that; after *seconds* raise `TimeoutError`, naming *what*."""
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(0.005)
    return answer


def state_of_process(pid: int) -> str:
    """Return the kernel's letter for what process *pid* does: R, S, T (stopped), Z (ended, unseen); empty if gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


class Program:
    """One process, started as often as wanted with the same *command*; all it writes goes to the end of *log*.

    Started by the main thread, it is ended by the kernel when this process ends, however that happens.  (The kernel
    goes by the thread: a program started by a short-lived one would end with that, so there we do without.)
    """

    def __init__(
        self, command: Sequence[str], log: Path, *, environment: Mapping[str, str], folder: Path | None = None
    ) -> None:
        self.command = [*command]
        self.log = log
        self._environment = dict(environment)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(
        self,
        *,
        inside: AbstractContextManager[object] | None = None,
        stdin: int = subprocess.DEVNULL,
        stdout: int | None = None,
    ) -> None:
        """Start the process, *inside* a context that only the start needs; its output may go to a pipe instead."""
        if self.running:
            raise BedError(f"{self.command[0]} runs already")
        lasting = threading.current_thread() is threading.main_thread()
        with self.log.open("ab") as log, inside or nullcontext():
            self._process = subprocess.Popen(
                [*(_END_WITH_STARTER if lasting else ()), *self.command],
                env=self._environment,
                cwd=self._folder,
                stdin=stdin,
                stdout=log if stdout is None else stdout,
                stderr=log,
                start_new_session=True,  # ctrl-C is for pytest, which then stops things in order
            )

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process, started at least once."""
        if self._process is None:
            raise BedError(f"{self.command[0]} was never started")
        return self._process

    @property
    def running(self) -> bool:
        """Whether the process is there, paused or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self.process.pid

    def until(self, question: Callable[[], Answer | None], what: str, *, seconds: float = PATIENCE_SECONDS) -> Answer:
        """Do as `until` does; raise `BedError` with the log's end when the process has ended or time is over."""

        def answer_of_a_living_process() -> Answer | None:
            running = self.running
            answer = question()
            if not answer and not running:
                raise BedError(f"{what}: {self.command[0]} ended with status {self.process.returncode}\n{self.tail()}")
            return answer

        try:
            return until(answer_of_a_living_process, what, seconds=seconds)
        except TimeoutError as error:
            raise BedError(f"{error}\n{self.tail()}") from None

    def tail(self) -> str:
        """Return the last lines of the log."""
        if not self.log.exists():
            return ""
        return self.log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")

    def kill(self) -> None:
        """End it with SIGKILL and wait for that; nothing happens if it is not there."""
        if self.running:
            self.process.kill()
            self.process.wait(PATIENCE_SECONDS)

    def stop(self, *, seconds: float = PATIENCE_SECONDS) -> int:
        """End it as a service manager does (SIGTERM) and return its exit status; after *seconds* kill it and raise."""
        if self.running:
            self.resume()
            self.process.terminate()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise BedError(f"{self.command[0]} did not stop within {seconds:g} s\n{self.tail()}") from None

    def wait(self, *, seconds: float = PATIENCE_SECONDS) -> int:
        """Wait until it has ended by itself, and return its exit status."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise BedError(f"{self.command[0]} still runs after {seconds:g} s\n{self.tail()}") from None

    def pause(self) -> None:
        """Let it hang, as on a frozen machine (SIGSTOP), and wait until it does."""
        self.process.send_signal(signal.SIGSTOP)
        until(lambda: state_of_process(self.pid) == "T", f"{self.command[0]} is paused")

    def resume(self) -> None:
        """Let it run again (SIGCONT)."""
        self.process.send_signal(signal.SIGCONT)
