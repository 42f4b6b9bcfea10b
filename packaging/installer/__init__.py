"""What `make installer` does: a bundle of the program, and packages of it for Linux, in `dist`."""
