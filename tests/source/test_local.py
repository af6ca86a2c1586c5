"""Finding the hypervisor of this machine."""

from pathlib import Path

from vmwatch.source.local import local_hypervisor


def test_the_first_that_answers_is_taken(tmp_path: Path) -> None:
    absent = f"qemu+unix:///system?socket={tmp_path}/absent"
    assert local_hypervisor([absent, "test:///default"]) == "test:///default"
    assert local_hypervisor([absent]) is None
