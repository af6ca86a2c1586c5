"""An empty disk image in which QEMU can keep snapshots, without the program that usually makes one."""

import struct
from pathlib import Path

_CLUSTER_BITS = 16
_CLUSTER_BYTES = 1 << _CLUSTER_BITS
_HEADER, _REFERENCE_TABLE, _REFERENCES, _MAP = range(4)  # what is in which cluster


def write_qcow2(path: Path, size_bytes: int = 1 << 20) -> Path:
    """Write an image of *size_bytes* (at most 512 MiB), version 2 of the format, with nothing on it."""
    image = bytearray(4 * _CLUSTER_BYTES)
    struct.pack_into(
        ">4sIQIIQIIQQIIQ",
        image,
        _HEADER,
        b"QFI\xfb",
        2,  # version
        *(0, 0),  # no backing file
        _CLUSTER_BITS,
        size_bytes,
        0,  # not encrypted
        *(1, _MAP * _CLUSTER_BYTES),
        *(_REFERENCE_TABLE * _CLUSTER_BYTES, 1),
        *(0, 0),  # no snapshots
    )
    struct.pack_into(">Q", image, _REFERENCE_TABLE * _CLUSTER_BYTES, _REFERENCES * _CLUSTER_BYTES)
    struct.pack_into(">4H", image, _REFERENCES * _CLUSTER_BYTES, 1, 1, 1, 1)
    path.write_bytes(image)
    return path
