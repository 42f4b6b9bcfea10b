"""Readers and writers of files: configs, sequences, model files, exports, sessions.

A file that is missing, damaged, unsupported or does not fit, or that cannot be written, raises an InputError. One that
a config names raises a ConfigError with its key.
"""

ENDING = ".rnnviz"
"""The ending of a session, which is a config with the files that it reads."""
