"""rnnviz convert: write the weights of a network in the format of another framework."""

from argparse import Namespace
from functools import partial
from pathlib import Path

from rnnviz.cli.config import config_from_model
from rnnviz.cli.parser import Commands, with_cell
from rnnviz.cli.terminal import AGREE, Answer, progress_bar
from rnnviz.core.config import CELL_NAMES, Config, Network
from rnnviz.core.engine_spec import is_own
from rnnviz.core.errors import EngineError, InputError
from rnnviz.core.schema import declarations

_SECONDS = 3600.0


def add_to(commands: Commands) -> None:
    """Add the command and its options."""
    convert = commands.add_parser(
        "convert",
        help="write the weights of a network to a model file, and verify it",
    )
    convert.add_argument("source", type=Path, metavar="IN", help="a model file, or a TOML config")
    convert.add_argument(
        "target",
        type=Path,
        metavar="OUT",
        help="file to write: .params (Gluon), .safetensors (PyTorch), .onnx or .npz (NumPy, with Gluon's names)",
    )
    convert.add_argument("--entry", metavar="NAME", help="recurrent network to convert, if IN contains several")
    names = f"{', '.join(CELL_NAMES)}; or the .py file of a custom cell, which runs it"
    convert.add_argument("--cell", metavar="CELL", help=f"cell, if IN does not name it: {names}")
    convert.add_argument("--quiet", action="store_true", help="print nothing")
    convert.set_defaults(answer=_convert)


def _convert(options: Namespace) -> Answer:
    from rnnviz.execution.child_process import call_in_subprocess
    from rnnviz.execution.export_weights import write_verified
    from rnnviz.io.config_toml import files_read
    from rnnviz.io.inputs import load_inputs
    from rnnviz.io.model_formats.load import format_for, of_weights
    from rnnviz.io.outputs import atomic_write, check_outputs

    source: Path = options.source
    target: Path = options.target
    form = format_for(target)
    check_outputs({"OUT": target}, {"IN": source})
    config = _config(source, options)
    check_outputs({"OUT": target}, files_read(config))
    form.check(config.network, target)
    with progress_bar(options.quiet) as notify, atomic_write(target) as temporary:
        check = call_in_subprocess(
            write_verified,
            partial(load_inputs, config, of_weights),
            form,
            temporary.absolute(),
            target,
            what=f"{target} could not be written",
            seconds=_SECONDS,
            notify=lambda done: notify(f"writing {target.name}", done),
        )
    if options.quiet:
        return AGREE, ""
    lines = [f"Wrote {target} ({check.numbers:,} weights). {check.sentences}"]
    lines += filter(None, [form.note(config.network)])
    lines += [f"Assumption: {clause}." for clause in check.assumptions]
    return AGREE, "".join(f"{line}\n" for line in lines)


def _config(source: Path, options: Namespace) -> Config:
    """The config in the file, or one that runs an entry of the model file."""
    if source.suffix.lower() == ".toml":
        from rnnviz.io.config_toml import load_config

        config = load_config(source)
        if is_own(options.cell or config.network.cell):
            return _with_custom_cell(with_cell(config, options.cell), source, options.cell)
        for option in ("entry", "cell"):
            if getattr(options, option) is not None:
                raise InputError(f"--{option} needs a model file, but {source} is a config.")
        return config
    if options.cell is not None:
        declarations(Network)["cell"].check("--cell", options.cell)
        if is_own(options.cell):
            raise InputError(f"--cell {options.cell} needs a config, but {source} is a model file.")
    # An initial state is not written, and need not be chosen.
    return config_from_model(source, options.entry, options.cell, "zeros")[0]


def _with_custom_cell(config: Config, source: Path, trusted: str | None) -> Config:
    """The config with the definition of its cell, whose file runs if --cell names it."""
    from rnnviz.engines.user_code.parent import custom_cell

    cell = config.network.cell
    if cell != trusted:
        raise InputError(f'{source} names the cell "{cell}", which is Python code: it runs only if --cell names it.')
    try:
        return config.with_custom_cell(custom_cell(cell))
    except EngineError as error:
        raise InputError(str(error)) from error
