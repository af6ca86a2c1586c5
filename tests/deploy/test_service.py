"""deploy/vmwatch.service: systemd understands every line of it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy" / "vmwatch.service"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="a machine without systemd")
def test_systemd_understands_every_line(tmp_path: Path) -> None:
    unit = tmp_path / "vmwatch.service"
    unit.write_text(UNIT.read_text().replace("/opt/vmwatch/bin/vmwatch", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_state_directory_is_the_one_that_vmwatch_takes_from_systemd() -> None:
    assert re.search(r"^StateDirectory=vmwatch$", UNIT.read_text(), re.MULTILINE)


def test_the_user_of_the_service_is_made_by_the_file_beside_it() -> None:
    user = re.search(r"^User=(\w+)$", UNIT.read_text(), re.MULTILINE)
    assert user
    assert re.search(rf"^u {user[1]} ", UNIT.with_name("vmwatch.sysusers").read_text(), re.MULTILINE)
