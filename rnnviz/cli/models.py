"""rnnviz inspect, config, convert and capture: list the networks of a model file, run, convert and record them."""

import os
import shutil
import tempfile
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rnnviz.cli import terminal
from rnnviz.cli.terminal import AGREE, Answer, Parser, option
from rnnviz.core.config import CELL_NAMES, Config, Network
from rnnviz.core.engine_spec import is_own
from rnnviz.core.errors import EngineError, InputError, file_errors
from rnnviz.core.model_formats import written_endings
from rnnviz.core.resources import resource_path
from rnnviz.core.schema import declarations, display_value
from rnnviz.core.words import join_words

if TYPE_CHECKING:
    from rnnviz.io.model_formats.model_file import Entry

Read = TypeVar("Read")

_RECORDING = ".rnnviz"
_SECONDS = 3600.0
"""The longest that a file may take to be recorded or written."""
_HEADINGS = ("name", "cell", "input", "hidden", "layers", "directions", "biases", "initial state", "type")


def add_inspect_options(parser: Parser) -> None:
    option(parser, "file", "a model file, or a folder with one or with .npy files", type=Path)
    option(parser, "--json PATH", "write the list as JSON; - writes it to standard output", type=str)


def inspect(options: Namespace) -> Answer:
    from rnnviz.io.model_formats.load import arrays_of, nothing_recognized
    from rnnviz.io.outputs import check_outputs

    check_outputs({"--json": options.json}, {"the model file": options.file})
    entries = entries_in_subprocess(options.file)
    arrays = {} if entries else _in_subprocess(arrays_of, options.file)
    if options.json is not None:
        listed: dict[str, Any] = {"entries": [asdict(entry) for entry in entries]}
        if not entries:
            listed["arrays"] = [{"name": name, "shape": list(shape)} for name, shape in arrays.items()]
        text = terminal.answer_json(listed, options.json)
        if text:
            return AGREE, text
    return AGREE, f"{table(entries) if entries else nothing_recognized(options.file, arrays)}\n"


def entries_in_subprocess(path: Path) -> tuple["Entry", ...]:
    """Read the networks in a model file in a subprocess; raises an InputError if that fails."""
    from rnnviz.io.model_formats.load import entries_of

    return _in_subprocess(entries_of, path)


def opened(path: Path, name: str | None, option: str) -> "Config | Entry":
    """The config or session in a file, or the network of that name in a model file; `option` is the one for the
    name."""
    from rnnviz.io import ENDING
    from rnnviz.io.model_formats.load import choose

    if path.suffix.lower() not in (".toml", ENDING):
        entries = entries_in_subprocess(path)
        if not entries:
            raise InputError(f"{path} contains no recurrent network; rnnviz inspect {path} lists what it has.")
        return choose(entries, name, path)
    if name is not None:
        raise InputError(f"{path} is a config, which has one network: leave {option} out.")
    return terminal.load(path)


def with_cell_file(config: Config, cell: str | None, path: Path) -> Config:
    """The config of a file with the definition of its custom cell, which --cell has to name."""
    if cell is not None and not is_own(cell):
        raise InputError(f"--cell must be the .py file of a custom cell (got {display_value(cell)}).")
    return terminal.with_definition(config, cell, path) if is_own(config.network.cell) else config


def _in_subprocess(read: Callable[[Path], Read], path: Path) -> Read:
    return terminal.call_with_bar(
        read, path, stage=f"reading {path.name}", what=f"{path} could not be read", quiet=False
    )


def table(entries: Sequence["Entry"]) -> str:
    rows = [_HEADINGS, *map(_row, entries)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = []
    for row, entry in zip(rows, (None, *entries), strict=True):
        lines.append("  ".join(f"{text:{width}}" for text, width in zip(row, widths, strict=True)).rstrip())
        if entry is not None:
            lines += [f"  {line}" for line in remarks(entry)]
    return "\n".join(lines)


def remarks(entry: "Entry") -> list[str]:
    """The keys that change an entry's cell, why it is not supported, and the assumptions that a run of it makes."""
    reason = entry.reason if entry.supported else f"not supported: {entry.reason}"
    masking = entry.masking and f"skipped time steps: {entry.masking}"
    settings = ", ".join(entry.settings)
    nodes = (f"node {text}" for text in entry.nodes)
    assumptions = (f"assumption: {text}" for text in entry.assumptions)
    return [line for line in (settings, reason, masking, *nodes, *assumptions) if line]


def _row(entry: "Entry") -> tuple[str, ...]:
    from rnnviz.io.model_formats.model_file import RNN_CELLS

    one_gate = entry.supported and entry.cell is None and entry.cells == RNN_CELLS
    cell = "rnn" if one_gate else entry.cell or " or ".join(entry.cells) or "?"
    sizes = (entry.input_size, entry.hidden_size, entry.num_layers)
    biases = {None: "?", True: "yes", False: "no"}[entry.biases]
    of_samples = "" if entry.batch_size is None else f" for {entry.batch_size} samples"
    return (
        entry.name,
        cell,
        *("?" if size is None else str(size) for size in sizes),
        entry.directions,
        biases,
        f"{entry.initial_state}{of_samples}",
        entry.dtype or "?",
    )


def add_config_options(parser: Parser) -> None:
    option(parser, "lesson", "name of a lesson; without it, list the lessons", nargs="?")
    model = "print a config for a model file, or a session's config"
    option(parser, "--from FILE", model, dest="file", type=Path)
    option(parser, "--entry NAME", "recurrent network to run, if the file contains several")
    cells = f"cell, if the file does not name it: {', '.join(CELL_NAMES)}"
    option(parser, "--cell CELL", cells, choices=CELL_NAMES)
    option(
        parser,
        "--initial-state STATE",
        "zeros, uniform (random between -0.9 and 0.9), normal (random) or an .npz file with h, and c for an LSTM; "
        "default: that in the file, else uniform",
    )
    examples = tuple(sorted(path.stem for path in resource_path("cells").glob("*.py")))
    option(parser, "--example-cell NAME", f"print a custom cell: {', '.join(examples)}", choices=examples)


def config(options: Namespace) -> Answer:
    if options.example_cell is not None:
        if options.lesson is not None or options.file is not None:
            raise InputError("--example-cell prints a custom cell: leave out the name of a lesson and --from.")
        return AGREE, resource_path("cells", f"{options.example_cell}.py").read_text(encoding="utf-8")
    if options.file is not None:
        if options.lesson is not None:
            raise InputError("Give the name of a lesson or --from FILE, not both.")
        from rnnviz.io import ENDING
        from rnnviz.io.config_toml import check_paths, dump_config

        if options.file.suffix.lower() == ENDING:
            return AGREE, _config_of_session(options)
        from rnnviz.io.model_formats.load import of_run

        found, entry = config_from_model(options.file, options.entry, options.cell, options.initial_state)
        for clause in of_run(entry, found):
            terminal.print_note(f"{options.file}: {entry.name}: {clause}.")
        check_paths(found)
        return AGREE, dump_config(found, unused=False)
    _refuse_options(options, ("entry", "cell", "initial_state"), "--from FILE")
    from rnnviz.lessons.index import find_lesson, lessons

    if options.lesson is None:
        width = max(len(lesson.name) for lesson in lessons())
        listed = "".join(f"{lesson.name:{width}}  {lesson.title}\n" for lesson in lessons())
        return AGREE, f"{listed}\nTo save one: rnnviz config NAME > NAME.toml\n"
    return AGREE, find_lesson(options.lesson).path.read_text(encoding="utf-8")


def _config_of_session(options: Namespace) -> str:
    """The config of a session, with the paths of copies as they are in it."""
    from rnnviz.execution.folders import storage
    from rnnviz.io.config_toml import as_in_session, dump_config, is_unpacked
    from rnnviz.io.session import paths_in, read_session

    _refuse_options(options, ("entry", "cell", "initial_state"), f"a model file, but {options.file} is a session")
    config = read_session(options.file, lambda: storage().folder).config
    if any(map(is_unpacked, paths_in(config))):
        terminal.print_note(f"rnnviz: {options.file} contains the files of this config: unzip it to run the config.")
    return as_in_session(dump_config(config, unused=False))


def _refuse_options(options: Namespace, keys: Sequence[str], needs: str) -> None:
    for key in keys:
        if getattr(options, key) is not None:
            raise InputError(f"--{key.replace('_', '-')} needs {needs}.")


def config_from_model(
    path: Path, name: str | None, cell: str | None, initial_state: str | None = None
) -> tuple[Config, "Entry"]:
    """A config that runs a recurrent network in a model file, by its absolute path, and the entry that it runs.

    `name` may be None if there is only one entry; `cell` is needed if the file does not name it. `initial_state` is one
    of `DRAWN` or the path of an .npz file; None takes it from the model file, or draws it.
    """
    from rnnviz.io.model_formats.load import DRAWN, arrays_of, choose, config_of, nothing_recognized, open_state

    entries = entries_in_subprocess(path)
    if not entries:
        raise nothing_recognized(path, _in_subprocess(arrays_of, path))
    entry = choose(entries, name, path)
    if entry.supported and entry.cell is None and cell is None:
        choices = join_words((f"--cell {name}" for name in entry.cells), "or")
        raise InputError(f"{path}: {entry.name} cannot be run as it is: {entry.reason}. Give {choices}.")
    if entry.supported and entry.leaves_initial_state_open and initial_state is None:
        raise InputError(
            f"{path}: {entry.name} needs an initial state: {open_state(entry)}. "
            "Give --initial-state zeros, --initial-state uniform or --initial-state FILE.npz."
        )
    if initial_state not in (None, *DRAWN) and not Path(initial_state).is_file():
        raise InputError(
            f"--initial-state must be {', '.join(DRAWN)} or an existing .npz file (got {display_value(initial_state)})."
        )
    return config_of(path, entry, cell, initial_state), entry


def add_convert_options(parser: Parser) -> None:
    option(parser, "source IN", "a model file, a TOML config or a session")
    option(parser, "target OUT", f"file to write: {written_endings()}")
    option(parser, "--entry NAME", "recurrent network to convert, if IN contains several")
    names = f"{', '.join(CELL_NAMES)}; or the .py file of a custom cell, which runs it"
    option(parser, "--cell CELL", f"cell, if IN does not name it: {names}")
    option(parser, "--quiet", "print nothing")


def convert(options: Namespace) -> Answer:
    from rnnviz.execution.export_weights import write_verified
    from rnnviz.io.config_toml import files_read
    from rnnviz.io.inputs import load_inputs
    from rnnviz.io.model_formats.load import format_for, of_weights
    from rnnviz.io.outputs import atomic_write, check_outputs

    source: Path = options.source
    target: Path = options.target
    form = format_for(target)
    check_outputs({"OUT": target}, {"IN": source})
    config = _config_of(source, options)
    check_outputs({"OUT": target}, files_read(config))
    form.check(config.network, target)
    with atomic_write(target) as temporary:
        check = terminal.call_with_bar(
            *(write_verified, partial(load_inputs, config, of_weights), form, temporary.absolute(), target),
            stage=f"writing {target.name}",
            what=f"{target} could not be written",
            quiet=options.quiet,
            seconds=_SECONDS,
        )
    lines = [f"Wrote {target} ({check.numbers:,} weights). {check.sentences}"]
    lines += filter(None, [form.note(config.network)])
    lines += [f"Assumption: {clause}." for clause in check.assumptions]
    return AGREE, terminal.in_lines(lines, options)


def _config_of(source: Path, options: Namespace) -> Config:
    """The config in the file, or one that runs an entry of the model file."""
    from rnnviz.io import ENDING

    if source.suffix.lower() in (".toml", ENDING):
        config = terminal.load(source)
        if is_own(options.cell or config.network.cell):
            return terminal.with_definition(config, options.cell, source)
        _refuse_options(options, ("entry", "cell"), f"a model file, but {source} is a config")
        return config
    if options.cell is not None:
        declarations(Network)["cell"].check("--cell", options.cell)
        if is_own(options.cell):
            raise InputError(f"--cell {options.cell} needs a config, but {source} is a model file.")
    # An initial state is not written, and need not be chosen.
    return config_from_model(source, options.entry, options.cell, "zeros")[0]


def add_capture_options(parser: Parser) -> None:
    option(parser, "model MODEL", "an ONNX model", nargs="?")
    values = "values of the model's input NAME, an .npy file or FILE.npz#ARRAY"
    option(parser, "--input NAME=FILE", values, nargs="+", action="extend", default=[])
    option(parser, "--entry NAME", "network to record, by its name in inspect; default: all")
    option(parser, "-o --output PATH", f"{_RECORDING} file or folder to write; default: this folder")
    option(parser, "--chunks K", "compare the whole with chunks of K time steps, in place of recording", type=int)
    sizes = "run other lengths and numbers of samples, in place of recording: T,N, or T=20,N=4"
    option(parser, "--vary T,N", sizes)
    axes = "axes of an input, where --chunks or --vary does not find them: T time steps, N samples, such as x=NTI"
    option(parser, "--axes NAME=LETTERS", axes, nargs="+", action="extend", default=[])
    option(
        parser,
        "--json PATH",
        "write the result of --chunks or --vary as JSON; - writes it to standard output",
        type=str,
    )
    option(parser, "--quiet", "print nothing")
    option(parser, "--helper", "print rnn_capture.py, which records models of PyTorch, Keras and Gluon without rnnviz")


def capture(options: Namespace) -> Answer:
    if options.helper:
        others = (options.entry, options.output, options.chunks, options.vary, options.json)
        if options.model is not None or options.input or options.axes or any(own is not None for own in others):
            raise InputError("--helper prints a file of Python: leave out MODEL and the other options.")
        import rnnviz.captures

        return AGREE, Path(rnnviz.captures.__path__[0], "rnn_capture.py").read_text(encoding="utf-8")
    given = list(options.input)
    if options.model is None and given and "=" not in given[-1]:
        options.model = Path(given.pop())
    if options.model is None:
        raise InputError("capture needs MODEL, an ONNX model, or --helper; see rnnviz capture --help.")
    files = _model_inputs(given)
    if options.chunks is not None or options.vary is not None:
        from rnnviz.cli import model_calls

        if None not in (options.chunks, options.vary):
            raise InputError("--chunks and --vary are two comparisons: give one of them.")
        return (model_calls.chunks if options.vary is None else model_calls.vary)(options, files)
    for key in ("json", "axes"):
        if getattr(options, key):
            raise InputError(f"--{key} needs --chunks or --vary.")
    return _record(options, files)


def _model_inputs(given: list[str]) -> dict[str, str]:
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
    if single and output.suffix.lower() != _RECORDING:
        raise InputError(f"-o {output} must be a file that ends in {_RECORDING}, or a folder that exists.")
    read = {"MODEL": model} | {f"--input {name}": file.partition("#")[0] for name, file in files.items()}
    check_outputs({"-o": output} if single else {}, read)
    with file_errors(folder, "written to"):
        temporary = tempfile.TemporaryDirectory(prefix=".capture-", dir=folder)
    with temporary as own:
        recording = terminal.call_with_bar(
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
    lines += [
        f"{count:,} sequences of {name} begin at zeros: if they are chunks of one, no state is passed on."
        for name, count in recording.from_zeros.items()
    ]
    lines += [f"Not recorded: {name}: {reason}." for name, reason in recording.skipped.items()]
    return AGREE, terminal.in_lines(lines, options)
