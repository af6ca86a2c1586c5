"""The dozen x86 instructions that our guests' firmware is made of, as functions that return machine code, for `rom.py`.

All are for 16-bit real mode.  Jumps are relative and made by the functions that take a piece of code, so pieces can be
joined freely.
"""


def out8(port: int, value: int) -> bytes:
    """Write the byte *value* to *port*; changes dx and al."""
    return b"\xba" + word(port) + b"\xb0" + bytes([value]) + b"\xee"  # mov dx, port; mov al, value; out dx, al


def out16(port: int, value: int) -> bytes:
    """Write two bytes to *port*; changes dx and ax."""
    return b"\xba" + word(port) + b"\xb8" + word(value) + b"\xef"  # mov dx, port; mov ax, value; out dx, ax


def out32(port: int, value: int) -> bytes:
    """Write four bytes to *port*; changes dx and eax."""
    return b"\xba" + word(port) + b"\x66\xb8" + value.to_bytes(4, "little") + b"\x66\xef"  # the same with eax


def copy32(source: int, target: int) -> bytes:
    """Read four bytes from port *source* and write them to port *target*; changes dx and eax."""
    return b"\xba" + word(source) + b"\x66\xed\xba" + word(target) + b"\x66\xef"  # mov dx; in eax; mov dx; out


def in8(port: int) -> bytes:
    """Read a byte from *port* into al; changes dx."""
    return b"\xba" + word(port) + b"\xec"  # mov dx, port; in al, dx


def in16(port: int) -> bytes:
    """Read two bytes from *port* into ax; changes dx."""
    return b"\xba" + word(port) + b"\xed"  # mov dx, port; in ax, dx


def when_bits8(mask: int, code: bytes) -> bytes:
    """Run *code* if al has one of the bits of *mask*."""
    return b"\xa8" + bytes([mask]) + b"\x0f\x84" + word(len(code)) + code  # test al, mask; jz past the code


def when_bits16(mask: int, code: bytes) -> bytes:
    """Run *code* if ax has one of the bits of *mask*."""
    return b"\xa9" + word(mask) + b"\x0f\x84" + word(len(code)) + code  # test ax, mask; jz past the code


def when_equal8(value: int, code: bytes) -> bytes:
    """Run *code* if al is *value*."""
    return b"\x3c" + bytes([value]) + b"\x0f\x85" + word(len(code)) + code  # cmp al, value; jne past the code


def until_bits8(mask: int, code: bytes) -> bytes:
    """Run *code*, which fills al, again and again until al has one of the bits of *mask*."""
    test = b"\xa8" + bytes([mask])  # test al, mask
    return code + test + b"\x74" + _back(len(code) + len(test) + 2)  # jz to the start


def up_to_65536_times_until_bits8(mask: int, code: bytes) -> bytes:
    """Do as `until_bits8` does, but give up at last; changes cx."""
    test = b"\xa8" + bytes([mask])
    return b"\x31\xc9" + code + test + b"\xe1" + _back(len(code) + len(test) + 2)  # xor cx, cx; ...; loopz to the start


def forever(code: bytes) -> bytes:
    """Run *code* again and again."""
    return code + b"\xe9" + word(-(len(code) + 3) & 0xFFFF)  # jmp to the start


def spin(times: int) -> bytes:
    """Do nothing, busily; changes ecx."""
    return b"\x66\xb9" + times.to_bytes(4, "little") + b"\x67\xe2\xfd"  # mov ecx, times; loop to itself


def interrupt_vector(number: int, segment: int, offset: int) -> bytes:
    """Let interrupt *number* run the code at *segment*:*offset*; wants ds = 0."""
    entry = b"\xc7\x06" + word(number * 4) + word(offset)  # mov word [number * 4], offset
    return entry + b"\xc7\x06" + word(number * 4 + 2) + word(segment)


def far_jump(segment: int, offset: int) -> bytes:
    """Go on at *segment*:*offset*."""
    return b"\xea" + word(offset) + word(segment)


def word(value: int) -> bytes:
    """Return *value* as two bytes in the processor's order."""
    return value.to_bytes(2, "little")


def _back(length_bytes: int) -> bytes:
    return (-length_bytes).to_bytes(1, "little", signed=True)
