"""The firmware that is our guests' whole operating system: it sleeps until a key tells it what to do.

QEMU starts it instead of a BIOS (machine `pc`), so a guest is up within milliseconds and costs no CPU while idle.  A
key pressed before the guest is ready waits in the keyboard, so a test can press one right after the start.  The guest
also powers off when its ACPI power button is pressed, and lets go of a PCI device that is being unplugged.
"""

from enum import IntEnum

from tests.beds.x86 import (
    copy32,
    far_jump,
    forever,
    in8,
    in16,
    interrupt_vector,
    out8,
    out16,
    out32,
    spin,
    until_bits8,
    up_to_65536_times_until_bits8,
    when_bits8,
    when_bits16,
    when_equal8,
)

_SIZE_BYTES = 64 * 1024
_SEGMENT = 0xF000  # QEMU shows the ROM below 1 MiB too, where real mode reaches it
_RESET_VECTOR = 0xFFF0
_START = 0x20

_PM_STATUS, _PM_ENABLE, _PM_CONTROL, _POWER_BUTTON = 0x600, 0x602, 0x604, 0x100
_GPE_STATUS, _GPE_ENABLE, _PCI_HOTPLUG = 0xAFE0, 0xAFE2, 0x02
_UNPLUG_ASKED, _UNPLUG_ACCEPTED, _UNPLUG_BUS = 0xAE04, 0xAE08, 0xAE10
_KEYBOARD, _KEYBOARD_STATUS, _KEY_WAITS, _RELEASED = 0x60, 0x64, 0x01, 0xF0
_DISK, _DISK_STATUS, _DATA_REQUEST = 0x1F0, 0x1F7, 0x08
_PANIC = 0x505
_PCI_ADDRESS, _PCI_DATA, _ACPI_FUNCTION = 0xCF8, 0xCFC, 0x80000B00


class Key(IntEnum):
    """What a guest can be told to do, by the key's code in `VIR_KEYCODE_SET_ATSET2`."""

    POWER_OFF = 0x4D  # P
    RESET = 0x2D  # R
    PANIC = 0x42  # K; needs a panic device
    CRASH_LOADED = 0x4B  # L; as if a crash kernel took over; needs a panic device
    FIRE_WATCHDOG = 0x1D  # W; needs a watchdog
    SUSPEND_TO_MEMORY = 0x26  # 3, ACPI S3
    SUSPEND_TO_DISK = 0x25  # 4, ACPI S4
    SET_CLOCK = 0x2C  # T; the real-time clock jumps to another year
    READ_DISK = 0x23  # D; one sector of the first IDE disk
    WRITE_DISK = 0x1C  # A; the same sector
    WORK = 0x32  # B; keep the processor busy until another key is pressed


def rom() -> bytes:
    """Return the 64 KiB image: interrupt handler, program, and at the reset vector the jump to the program."""
    program = _set_up() + forever(_answer_key() + _answer_power_button() + _answer_unplug() + _SLEEP)
    image = _INTERRUPT_HANDLER.ljust(_START, b"\0") + program
    return (image.ljust(_RESET_VECTOR, b"\0") + far_jump(_SEGMENT, _START)).ljust(_SIZE_BYTES, b"\0")


# push ax; push dx; tell both interrupt controllers that it is done; pop dx; pop ax; iret
_INTERRUPT_HANDLER = b"\x50\x52" + out8(0xA0, 0x20) + out8(0x20, 0x20) + b"\x5a\x58\xcf"

# sti; hlt; cli: no interrupt slips in between the last question and the sleep, for sti acts one instruction late
_SLEEP = b"\xfb\xf4\xfa"


def _set_up() -> bytes:
    """Get a stack, the two interrupts that wake us (keyboard 1, ACPI 9) and the ACPI registers, as a BIOS would."""
    stack = b"\xfa\x31\xc0\x8e\xd8\x8e\xc0\x8e\xd0\xbc\x00\x7c"  # cli; ds = es = ss = 0; sp = 7c00
    apic_off = b"\x66\xb9\x1b\x00\x00\x00\x0f\x32\x80\xe4\xf7\x0f\x30"  # ecx = 1b; rdmsr; and ah, f7; wrmsr
    vectors = interrupt_vector(0x09, _SEGMENT, 0) + interrupt_vector(0x71, _SEGMENT, 0)
    first = out8(0x20, 0x11) + out8(0x21, 0x08) + out8(0x21, 0x04) + out8(0x21, 0x01) + out8(0x21, 0xF9)
    second = out8(0xA0, 0x11) + out8(0xA1, 0x70) + out8(0xA1, 0x02) + out8(0xA1, 0x01) + out8(0xA1, 0xFD)
    acpi_base = out32(_PCI_ADDRESS, _ACPI_FUNCTION + 0x40) + out32(_PCI_DATA, _PM_STATUS + 1)
    acpi_on = out32(_PCI_ADDRESS, _ACPI_FUNCTION + 0x80) + out8(_PCI_DATA, 1)
    wishes = out16(_PM_STATUS, 0xFFFF) + out16(_PM_ENABLE, _POWER_BUTTON) + out8(_GPE_ENABLE, _PCI_HOTPLUG)
    return stack + apic_off + vectors + first + second + acpi_base + acpi_on + wishes


def _answer_key() -> bytes:
    """Act when a key is released, not when it goes down: a guest that sleeps by then would be woken by the release."""
    forget = b"\xb0\x00"  # al = 0: what an action leaves there must not look like another key
    act = b"".join(when_equal8(key, code + forget) for key, code in _ACTIONS.items())
    read_next = until_bits8(_KEY_WAITS, in8(_KEYBOARD_STATUS)) + in8(_KEYBOARD)
    return in8(_KEYBOARD_STATUS) + when_bits8(_KEY_WAITS, in8(_KEYBOARD) + when_equal8(_RELEASED, read_next + act))


def _answer_power_button() -> bytes:
    return in16(_PM_STATUS) + when_bits16(_POWER_BUTTON, _ACTIONS[Key.POWER_OFF])


def _answer_unplug() -> bytes:
    """Accept whatever unplugging bus 0 is asked for."""
    accept = out8(_GPE_STATUS, _PCI_HOTPLUG) + out32(_UNPLUG_BUS, 0) + copy32(_UNPLUG_ASKED, _UNPLUG_ACCEPTED)
    return in8(_GPE_STATUS) + when_bits8(_PCI_HOTPLUG, accept)


def _disk(command: int, transfer: bytes) -> bytes:
    """Move one sector between the disk and memory at 8000 with *transfer*; without a disk, give up after a while."""
    sector = out8(_DISK + 6, 0xE0) + out8(_DISK + 2, 1) + out8(_DISK + 3, 0) + out8(_DISK + 4, 0) + out8(_DISK + 5, 0)
    wait = up_to_65536_times_until_bits8(_DATA_REQUEST, in8(_DISK_STATUS))
    move = b"\xba\xf0\x01\xb9\x00\x01\xbe\x00\x80\xbf\x00\x80\xfc" + transfer  # dx = 1f0; cx = 256; si = di = 8000; cld
    return sector + out8(_DISK_STATUS, command) + wait + move


_ACTIONS: dict[Key, bytes] = {
    Key.POWER_OFF: out16(_PM_CONTROL, 0x2000),
    Key.RESET: out8(0xCF9, 6),
    Key.PANIC: out8(_PANIC, 1),
    Key.CRASH_LOADED: out8(_PANIC, 2),
    Key.FIRE_WATCHDOG: out8(0x443, 0x0F),  # ib700: 0 seconds left
    Key.SUSPEND_TO_MEMORY: out16(_PM_CONTROL, 0x2400),
    Key.SUSPEND_TO_DISK: out16(_PM_CONTROL, 0x2800),
    Key.SET_CLOCK: out8(0x70, 9) + out8(0x71, 0x33),
    Key.READ_DISK: _disk(0x20, b"\xf3\x6d"),  # rep insw
    Key.WRITE_DISK: _disk(0x30, b"\xf3\x6f"),  # rep outsw
    Key.WORK: until_bits8(_KEY_WAITS, spin(1_000_000) + in8(_KEYBOARD_STATUS)),
}
