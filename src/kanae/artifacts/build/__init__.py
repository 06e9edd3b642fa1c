"""Building: Go programs from pinned modules, images from programs and Debian packages."""
