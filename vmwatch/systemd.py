"""Tells systemd how it stands (sd_notify(3)), where systemd started us and asked to be told."""

import os
import socket


def notify(state: str) -> None:
    """Send *state*, such as READY=1; without systemd, and where it does not listen, nothing happens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as one:
        try:
            one.connect("\0" + address[1:] if address.startswith("@") else address)
            one.send(state.encode())
        except OSError:
            return
