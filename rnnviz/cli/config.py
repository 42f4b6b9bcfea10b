"""rnnviz config: print the config of a lesson, or a config that runs a model file."""

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from rnnviz.cli.parser import Commands, complete
from rnnviz.cli.terminal import AGREE, Answer, print_note
from rnnviz.core.config import CELL_NAMES, Config
from rnnviz.core.errors import InputError
from rnnviz.core.schema import display_value
from rnnviz.core.words import join_words
from rnnviz.io.resources import resource_path

if TYPE_CHECKING:
    from rnnviz.io.model_formats.model_file import Entry


def add_to(commands: Commands) -> None:
    """Add the command and its options."""
    config = commands.add_parser("config", help="print the config of a lesson or for a model file")
    config.add_argument("lesson", nargs="?", help="name of a lesson; without it, list the lessons")
    config.add_argument("--from", dest="file", type=Path, metavar="FILE", help="print a config that runs a model file")
    config.add_argument("--entry", metavar="NAME", help="recurrent network to run, if the file contains several")
    config.add_argument(
        "--cell",
        choices=CELL_NAMES,
        metavar="CELL",
        help=f"cell, if the file does not name it: {', '.join(CELL_NAMES)}",
    )
    config.add_argument(
        "--initial-state",
        metavar="STATE",
        help="zeros, normal (random numbers) or an .npz file with h, and c for an LSTM; default: that of the model",
    )
    examples = tuple(sorted(path.stem for path in resource_path("cells").glob("*.py")))
    config.add_argument(
        "--example-cell", choices=examples, metavar="NAME", help=f"print a custom cell: {', '.join(examples)}"
    )
    config.set_defaults(answer=_config)


def _config(options: Namespace) -> Answer:
    if options.example_cell is not None:
        if options.lesson is not None or options.file is not None:
            raise InputError("--example-cell prints a custom cell: leave out the name of a lesson and --from.")
        return AGREE, resource_path("cells", f"{options.example_cell}.py").read_text(encoding="utf-8")
    if options.file is not None:
        if options.lesson is not None:
            raise InputError("Give the name of a lesson or --from FILE, not both.")
        from rnnviz.io.config_toml import check_paths, dump_config
        from rnnviz.io.model_formats.load import of_run

        config, entry = config_from_model(options.file, options.entry, options.cell, options.initial_state)
        for clause in of_run(entry, config):
            print_note(f"{options.file}: {entry.name}: {clause}.")
        check_paths(config)
        return AGREE, dump_config(complete(config), unused=False)
    for option in ("entry", "cell", "initial-state"):
        value = getattr(options, option.replace("-", "_"))
        if value is not None:
            raise InputError(f"--{option} needs --from FILE.")
    from rnnviz.lessons.index import find_lesson, lessons

    if options.lesson is None:
        width = max(len(lesson.name) for lesson in lessons())
        listed = "".join(f"{lesson.name:{width}}  {lesson.title}\n" for lesson in lessons())
        return AGREE, f"{listed}\nTo save one: rnnviz config NAME > NAME.toml\n"
    return AGREE, find_lesson(options.lesson).path.read_text(encoding="utf-8")


def config_from_model(
    path: Path, name: str | None, cell: str | None, initial_state: str | None = None
) -> tuple[Config, "Entry"]:
    """Make a config that runs a recurrent network in a model file.

    Parameters
    ----------
    path : Path
        The model file. The config contains its absolute path, so that it can be saved anywhere.
    name : str, optional
        The entry of the file, which may be None if there is only one.
    cell : str, optional
        The cell, if the file does not name it.
    initial_state : str, optional
        "zeros", "normal" or the path of an .npz file; None takes the state from the model file.

    Returns
    -------
    tuple[Config, Entry]
        The config, and the entry of the model file that it runs.

    Raises
    ------
    InputError
        If no entry has that name, it cannot be run, or the cell or the initial state must be given.
    """
    from rnnviz.cli.inspect import arrays_in_subprocess, entries_in_subprocess
    from rnnviz.io.model_formats.load import choose, config_of, nothing_recognized, open_state

    entries = entries_in_subprocess(path)
    if not entries:
        raise nothing_recognized(path, arrays_in_subprocess(path))
    entry = choose(entries, name, path)
    if entry.supported and entry.cell is None and cell is None:
        choices = join_words((f"--cell {name}" for name in entry.cells), "or")
        raise InputError(f"{path}: {entry.name} cannot be run as it is: {entry.reason}. Give {choices}.")
    if entry.supported and entry.leaves_initial_state_open and initial_state is None:
        raise InputError(
            f"{path}: {entry.name} needs an initial state: {open_state(entry)}. "
            "Give --initial-state zeros, --initial-state normal or --initial-state FILE.npz."
        )
    if initial_state not in (None, "zeros", "normal") and not Path(initial_state).is_file():
        raise InputError(
            f"--initial-state must be zeros, normal or an existing .npz file (got {display_value(initial_state)})."
        )
    return config_of(path, entry, cell, initial_state), entry
