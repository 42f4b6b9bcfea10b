"""Tools of the developers: they measure, compare and use the program for long, and are no part of it."""
