"""What the exit codes mean."""

AGREE, MISMATCH, WRONG_INPUT, ENGINE_FAILED, INTERRUPTED = 0, 1, 2, 3, 130
