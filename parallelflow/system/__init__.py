"""What all of the package needs of the operating system; the standard library alone."""
