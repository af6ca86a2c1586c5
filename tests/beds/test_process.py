import sys
from pathlib import Path

import pytest

from tests.beds.process import Vmwatch, run_to_its_end
from tests.beds.program import BedError

PYTHON = (sys.executable, "-u", "-c")

COUNTING = """
import json, signal, sys
signal.signal(signal.SIGTERM, lambda *_: (print('{"number": "last"}'), sys.exit(3)))
print("on its errors", file=sys.stderr)
print("first line")
for number in range(1000):
    print(json.dumps({"number": number}))
signal.pause()
"""

SERVING = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'# TYPE up gauge\\nup{host="a",uri="b"} 1\\nup{host="c"} 0\\n')

address = next(word for word in sys.argv if word.startswith("--web.listen-address=")).partition("=")[2]
HTTPServer((address.split(":")[0], int(address.split(":")[1])), Answer).serve_forever()
"""


def test_a_line_can_be_waited_for(tmp_path: Path) -> None:
    with Vmwatch(tmp_path, COUNTING, command=PYTHON) as program:
        assert program.wait_for(lambda event: event["number"] == 999) == {"number": 999}
        assert program.wait_for(lambda event: event["number"] > 10, after=500) == {"number": 500}
        assert program.lines[0] == "first line"


def test_all_that_was_said_is_there_after_the_end(tmp_path: Path) -> None:
    program = Vmwatch(tmp_path, COUNTING, command=PYTHON)
    program.start()
    program.wait_for(lambda event: event["number"] == 999)
    assert program.terminate() == 3
    assert program.events[-1] == {"number": "last"}
    assert len(program.lines) == 1002


def test_lines_of_a_second_start_come_after_those_of_the_first(tmp_path: Path) -> None:
    with Vmwatch(tmp_path, "print('{\"a\": 1}')", command=PYTHON) as program:
        program.wait_for(lambda event: "a" in event)
        program.terminate()
        program.start()
        program.wait_for(lambda event: "a" in event, after=1)


def test_waiting_in_vain_tells_what_was_said_instead(tmp_path: Path) -> None:
    with Vmwatch(tmp_path, COUNTING, command=PYTHON) as program:
        program.wait_for(lambda event: event["number"] == 999)
        with pytest.raises(BedError, match=r'"number": 999}\ntime is over\non its errors'):
            program.wait_for(lambda event: event["number"] == -1, seconds=0.1)


def test_waiting_ends_with_the_process(tmp_path: Path) -> None:
    with (
        Vmwatch(tmp_path, "import sys; sys.exit('no reason')", command=PYTHON) as program,
        pytest.raises(BedError, match=r"ended with status 1\nno reason"),
    ):
        program.wait_for(lambda _: True)


def test_metrics_are_read_from_its_own_address(tmp_path: Path) -> None:
    with Vmwatch(tmp_path, "run", command=(*PYTHON, SERVING)) as program:
        assert program.wait_for_metrics(lambda page: page.value("up", host="a"), "a page") == 1
        page = program.metrics()
    assert page.value("up", uri="b") == 1
    assert page.value("up", host="nobody") is None
    with pytest.raises(BedError, match="2 samples of up"):
        page.value("up")


def test_it_sees_none_of_this_users_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", "test:///default")
    asking = "import os; print('{\"told\": %d}' % ('LIBVIRT_DEFAULT_URI' in os.environ))"
    with Vmwatch(tmp_path, asking, command=PYTHON) as program:
        assert program.wait_for(lambda event: "told" in event) == {"told": 0}


def test_a_command_runs_to_its_end(tmp_path: Path) -> None:
    assert "usage: vmwatch" in run_to_its_end(tmp_path, "--help").stdout
