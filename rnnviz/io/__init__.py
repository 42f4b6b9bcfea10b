"""Readers and writers of files: configs, sequences, model files, exports, sessions."""
