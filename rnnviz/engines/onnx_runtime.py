"""ONNX Runtime without telemetry: the only import of onnxruntime.

From release 1.29 on its builds for Linux and macOS write an identifier to the disk and send events to their maker
unless this variable is set before the import; those for Windows hand events to the system, which the call ends.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

onnxruntime.disable_telemetry_events()

__all__ = ["onnxruntime"]
