"""Ports checked: a failing run cut to the smallest one, the files of a failure, and test vectors."""
