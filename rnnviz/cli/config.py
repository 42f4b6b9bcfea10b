"""rnnviz config: the lessons' configs, and one that runs a model file."""

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from rnnviz.cli.exit_codes import AGREE, Answer
from rnnviz.cli.loading import complete
from rnnviz.cli.parser import Commands
from rnnviz.cli.streams import print_note
from rnnviz.core.cells import CELLS
from rnnviz.core.config import Config
from rnnviz.core.errors import InputError

if TYPE_CHECKING:
    from rnnviz.io.model_formats.rnn_entry import Entry


def add_to(commands: Commands) -> None:
    """Add the command and its options."""
    config = commands.add_parser("config", help="print a lesson's config, or one that runs a model file")
    config.add_argument("lesson", nargs="?", help="the lesson; without it, the lessons are listed")
    config.add_argument("--from", dest="file", type=Path, metavar="FILE", help="print a config that runs a model file")
    config.add_argument("--entry", metavar="NAME", help="which recurrent network of the file, if it holds several")
    config.add_argument("--cell", choices=tuple(CELLS), help="the cell, where the file does not tell it")
    config.add_argument(
        "--initial-state",
        metavar="S",
        help="zeros, normal (random numbers) or an .npz file of h0, and c0 of an LSTM, in place of the model's own",
    )
    config.set_defaults(answer=_config)


def _config(options: Namespace) -> Answer:
    if options.file is not None:
        if options.lesson is not None:
            raise InputError(f'A config is that of the lesson "{options.lesson}" or --from a file: give one of both.')
        from rnnviz.io.config_toml import check_paths, dump_config
        from rnnviz.io.model_formats.assumptions import of_run

        config, entry = config_from_model(options.file, options.entry, options.cell, options.initial_state)
        for clause in of_run(entry, config):
            print_note(f"{options.file}: {entry.name}: {clause}.")
        check_paths(config)
        return AGREE, dump_config(complete(config))
    for option in ("entry", "cell", "initial-state"):
        value = getattr(options, option.replace("-", "_"))
        if value is not None:
            raise InputError(f"--{option} = {value} belongs to a model file: give it by --from.")
    from rnnviz.lessons.configs import find_lesson, lessons

    if options.lesson is None:
        width = max(len(lesson.name) for lesson in lessons())
        return AGREE, "".join(f"{lesson.name:{width}}  {lesson.title}\n" for lesson in lessons())
    return AGREE, find_lesson(options.lesson).path.read_text(encoding="utf-8")


def config_from_model(
    path: Path, name: str | None, cell: str | None, initial_state: str | None = None
) -> tuple[Config, "Entry"]:
    """A config that runs the entry `name` of a model file, or its only one, and that entry.

    `cell` is the cell where the file does not say it, `initial_state` as `reading.config_of` takes it. The path in the
    config is absolute, so that it is the same file wherever the config is written to.

    Raises
    ------
    InputError
        If there is no such entry, it cannot be run, or the cell or the initial state must be given.
    """
    from rnnviz.cli.inspect import arrays_apart, entries_in_subprocess
    from rnnviz.io.model_formats.assumptions import open_state
    from rnnviz.io.model_formats.load import config_of, nothing_recognized
    from rnnviz.io.model_formats.weights import choose

    entries = entries_in_subprocess(path)
    if not entries:
        raise nothing_recognized(path, arrays_apart(path))
    entry = choose(entries, name, path)
    if entry.supported and entry.cell is None and cell is None:
        choices = " or ".join(f"--cell {name}" for name in entry.cells)
        raise InputError(f"{path}: {entry.name} cannot be run as it is: {entry.reason}. Give {choices}.")
    if entry.supported and entry.leaves_initial_state_open and initial_state is None:
        raise InputError(
            f"{path}: {entry.name} needs an initial state: {open_state(entry)}. "
            "Give --initial-state zeros, --initial-state normal or --initial-state FILE.npz."
        )
    if initial_state not in (None, "zeros", "normal") and not Path(initial_state).is_file():
        raise InputError(
            f"--initial-state = {initial_state} is not allowed: it must be zeros, normal or an .npz file that exists."
        )
    return config_of(path, entry, cell, initial_state), entry
