"""The errors vmwatch raises on purpose; everything else is a bug."""


class VmwatchError(Exception):
    """Something outside vmwatch is not as it has to be; the text is a sentence for the user."""


class ConfigError(VmwatchError):
    """The configuration or the command line is wrong: names the key, where it stands and what was expected."""


class HostError(VmwatchError):
    """A hypervisor cannot be reached or refuses us.

    *reason* says what happened in libvirt's words, *cure* what to do about it; *cure* may be empty.
    """

    def __init__(self, reason: str, cure: str = "") -> None:
        super().__init__(f"{reason} ({cure})" if cure else reason)
        self.reason = reason
        self.cure = cure
