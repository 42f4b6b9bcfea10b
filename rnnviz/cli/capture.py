"""rnnviz capture: record the recurrent layers of an ONNX model, or print the file that records a framework's layers."""

import os
import shutil
import tempfile
from argparse import Namespace
from pathlib import Path

from rnnviz.cli.terminal import AGREE, Answer, Parser, call_with_bar, in_lines, option
from rnnviz.core.errors import EngineError, InputError
from rnnviz.core.schema import display_value

_ENDING = ".rnnviz"
_SECONDS = 3600.0


def add_options(parser: Parser) -> None:
    option(parser, "model MODEL", "an ONNX model", nargs="?")
    values = "values of the model's input NAME, an .npy file or FILE.npz#ARRAY"
    option(parser, "--input NAME=FILE", values, nargs="+", action="extend", default=[])
    option(parser, "--entry NAME", "network to record, by its name in inspect; default: all")
    option(parser, "-o --output PATH", f"{_ENDING} file or folder to write; default: this folder")
    option(parser, "--quiet", "print nothing")
    option(parser, "--helper", "print rnn_capture.py, which records models of PyTorch, Keras and Gluon without rnnviz")


def capture(options: Namespace) -> Answer:
    if options.helper:
        if options.model is not None or options.input or options.entry or options.output:
            raise InputError("--helper prints a file of Python: leave out MODEL and the other options.")
        import rnnviz.captures

        return AGREE, Path(rnnviz.captures.__path__[0], "rnn_capture.py").read_text(encoding="utf-8")
    given = list(options.input)
    if options.model is None and given and "=" not in given[-1]:
        options.model = Path(given.pop())
    if options.model is None:
        raise InputError("capture needs MODEL, an ONNX model, or --helper; see rnnviz capture --help.")
    return _record(options, _files(given))


def _files(given: list[str]) -> dict[str, str]:
    files: dict[str, str] = {}
    for text in given:
        name, equals, file = text.partition("=")
        if not (name and equals and file):
            raise InputError(f"--input must be NAME=FILE (got {display_value(text)}).")
        if name in files:
            raise InputError(f"--input names {display_value(name)} twice: give each input once.")
        files[name] = file
    return files


def _record(options: Namespace, files: dict[str, str]) -> Answer:
    from rnnviz.core.model_formats import ONNX
    from rnnviz.engines.registry import ENGINES
    from rnnviz.io.model_formats.formats import reader_of

    reader_of(ONNX, options.model)
    if reason := ENGINES["onnx"].unavailable:
        raise EngineError(reason)
    from rnnviz.captures.onnx_model import record
    from rnnviz.io.outputs import atomic_write, check_outputs

    model, output = options.model, options.output or Path()
    single = not output.is_dir()
    folder = output.parent if single else output
    if single and output.suffix.lower() != _ENDING:
        raise InputError(f"-o {output} must be a file that ends in {_ENDING}, or a folder that exists.")
    read = {"MODEL": model} | {f"--input {name}": file.partition("#")[0] for name, file in files.items()}
    check_outputs({"-o": output} if single else {}, read)
    try:
        temporary = tempfile.TemporaryDirectory(prefix=".capture-", dir=folder)
    except OSError as error:
        raise InputError(f"{folder} cannot be written to: {error.strerror or error}.") from error
    with temporary as own:
        recording = call_with_bar(
            *(record, model, files, options.entry, Path(os.path.abspath(own)), single, output),
            stage=f"recording {model.name}",
            what=f"{model} could not be recorded",
            quiet=options.quiet,
            seconds=_SECONDS,
        )
        lines = []
        for name, text in recording.files:
            target = output if single else output / name
            with atomic_write(target) as written:
                shutil.move(Path(own, name), written)
            lines.append(f"Wrote {target}: {text}.")
    lines += [f"Not recorded: {name}: {reason}." for name, reason in recording.skipped.items()]
    return AGREE, in_lines(lines, options)
