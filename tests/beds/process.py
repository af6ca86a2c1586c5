"""vmwatch as its users run it: a process of its own, whose lines and metrics a test can wait for."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, Self, TypeVar

from tests.beds.fetch import NO_ANSWER, Page, answers, fetch
from tests.beds.program import PATIENCE_SECONDS, BedError, Program, clean_environment, free_port

_REPOSITORY = Path(__file__).parents[2]
_IMPORT_PATH = f"{_REPOSITORY}:{_REPOSITORY / 'exporters'}"
_VMWATCH = (sys.executable, "-m", "vmwatch")
_SERVICES = ("run", "demo")

Line = dict[str, Any]
Answer = TypeVar("Answer")


def run_to_its_end(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `vmwatch` with *arguments* in *folder*, for commands that end by themselves."""
    clean = clean_environment(folder, PYTHONPATH=_IMPORT_PATH, **environment)
    command = [*_VMWATCH, *arguments]
    return subprocess.run(
        command, cwd=folder, env=clean, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS
    )


class Vmwatch:
    """`vmwatch` with *arguments* in *folder*, where its *configuration*, its state and what it writes to stderr are.

    `run` and `demo` get those places and a web address of their own by flags, other commands only what they are given.
    What it writes to stdout is read all the time and kept in `lines`, and in `events` what of that is JSON; both go on
    when it is started again.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        configuration: str = "",
        command: Sequence[str] = _VMWATCH,
        **environment: str,
    ) -> None:
        self.folder = folder
        self.state_directory = folder / "state"
        self.configuration_file = folder / "vmwatch.toml"
        self.address = f"127.0.0.1:{free_port()}"
        self.lines: list[str] = []
        self.events: list[Line] = []
        if configuration:
            self.configuration_file.write_text(configuration)
        flags = self._flags() if arguments and arguments[0] in _SERVICES else []
        clean = clean_environment(folder, PYTHONPATH=_IMPORT_PATH, **environment)
        self.program = Program([*command, *arguments, *flags], folder / "stderr.log", environment=clean, folder=folder)
        self._changed = threading.Condition()
        self._reading = False
        self._reader: threading.Thread | None = None

    def _flags(self) -> list[str]:
        flags = [f"--web.listen-address={self.address}", f"--state.directory={self.state_directory}"]
        return [*flags, f"--config.file={self.configuration_file}"] if self.configuration_file.exists() else flags

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it; it may take a moment until it watches."""
        self.program.start(stdout=subprocess.PIPE)
        assert self.program.process.stdout is not None
        self._reading = True
        self._reader = threading.Thread(target=self._read, args=[self.program.process.stdout], daemon=True)
        self._reader.start()

    def _read(self, stdout: IO[bytes]) -> None:
        with stdout:
            for line in stdout:
                self._keep(line.decode(errors="replace"))
        with self._changed:
            self._reading = False
            self._changed.notify_all()

    def _keep(self, line: str) -> None:
        with self._changed:
            self.lines.append(line.rstrip("\n"))
            if line.startswith("{") and line.endswith("\n"):  # a kill may tear a line
                self.events.append(json.loads(line))
            self._changed.notify_all()

    def terminate(self, *, seconds: float = PATIENCE_SECONDS) -> int:
        """Ask it to end (SIGTERM), wait until all that it said is in `lines`, and return its exit status."""
        status = self.program.stop(seconds=seconds)
        self._finish()
        return status

    def kill(self) -> None:
        """End it with SIGKILL; what it had said is in `lines`."""
        self.program.kill()
        self._finish()

    def _finish(self) -> None:
        if self._reader is not None:
            self._reader.join(PATIENCE_SECONDS)

    def wait_for(self, wanted: Callable[[Line], bool], *, after: int = 0, seconds: float = PATIENCE_SECONDS) -> Line:
        """Return the first event that is *wanted*; the first *after* of `events` do not count."""
        return self.wait_until(lambda events: next(filter(wanted, events[after:]), None), seconds=seconds)

    def wait_until(
        self, question: Callable[[list[Line]], Answer | None], *, seconds: float = PATIENCE_SECONDS
    ) -> Answer:
        """Put *question* to the events so far, whenever there is another one, until its answer is true; return that."""
        deadline = time.monotonic() + seconds
        events: list[Line] = []
        more = True
        while more:
            more = self._wait_for_more(len(events), deadline - time.monotonic())
            events = self.events.copy()
            if answer := question(events):
                return answer
        raise BedError(self._told())

    def _wait_for_more(self, seen: int, seconds: float) -> bool:
        """Wait until there are more than *seen* events, and tell whether that was not in vain."""
        with self._changed:
            self._changed.wait_for(lambda: len(self.events) > seen or not self._reading, seconds)
            return len(self.events) > seen

    def _told(self) -> str:
        end = "time is over" if self._reading else f"it ended with status {self.program.wait()}"
        return "\n".join(["not among its lines:", *self.lines[-30:], end, self.program.tail()])

    def wait_until_ready(self) -> None:
        """Wait until its web server says that it is ready."""
        self.program.until(lambda: answers(f"http://{self.address}/-/ready"), "vmwatch is ready")

    def metrics(self, query: str = "") -> Page:
        """Return its page of metrics now."""
        return Page(fetch(f"http://{self.address}/metrics{query}").decode())

    def wait_for_metrics(self, question: Callable[[Page], Answer | None], what: str) -> Answer:
        """Put *question* to its page of metrics again and again until the answer is true, and return that."""

        def answer() -> Answer | None:
            try:
                page = self.metrics()
            except NO_ANSWER:
                return None
            return question(page)

        return self.program.until(answer, what)
