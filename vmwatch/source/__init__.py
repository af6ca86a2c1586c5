"""Where events come from: libvirt, through its callbacks, its listings and its statistics."""
