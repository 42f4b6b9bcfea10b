"""rnnviz config: the lessons' configs, and one that runs a model file."""

import sys
from argparse import Namespace
from pathlib import Path

from rnnviz.cli.exit_codes import AGREE
from rnnviz.cli.loading import complete
from rnnviz.cli.parser import Commands
from rnnviz.model.cells import CELLS
from rnnviz.model.config import Config
from rnnviz.model.errors import InputError


def add_to(commands: Commands) -> None:
    """Add the command and its options."""
    config = commands.add_parser("config", help="print a lesson's config, or one that runs a model file")
    config.add_argument("lesson", nargs="?", help="the lesson; without it, the lessons are listed")
    config.add_argument("--from", dest="file", type=Path, metavar="FILE", help="print a config that runs a model file")
    config.add_argument("--entry", metavar="NAME", help="which recurrent network of the file, if it holds several")
    config.add_argument("--cell", choices=tuple(CELLS), help="the cell, where the file does not tell it")
    config.set_defaults(answer=_config)


def _config(options: Namespace) -> int:
    if options.file is not None:
        if options.lesson is not None:
            raise InputError(f'A config is that of the lesson "{options.lesson}" or --from a file: give one of both.')
        from rnnviz.files.config_toml import dump_config

        sys.stdout.write(dump_config(complete(config_from_model(options.file, options.entry, options.cell))))
        return AGREE
    for option in ("entry", "cell"):
        if getattr(options, option) is not None:
            raise InputError(f"--{option} = {getattr(options, option)} belongs to a model file: give it by --from.")
    from rnnviz.files.lessons import find_lesson, lessons

    if options.lesson is None:
        width = max(len(lesson.name) for lesson in lessons())
        for lesson in lessons():
            print(f"{lesson.name:{width}}  {lesson.title}")
    else:
        sys.stdout.write(find_lesson(options.lesson).path.read_text(encoding="utf-8"))
    return AGREE


def config_from_model(path: Path, name: str | None, cell: str | None) -> Config:
    """A config that runs the entry `name` of a model file, or its only one, with `cell` where that does not tell it.

    The path in it is absolute, so that it holds wherever the config is written to. What else must be known of the entry
    is told on standard error.

    Raises
    ------
    InputError
        If there is no such entry, it cannot be run, or the cell must be given.
    """
    from rnnviz.cli.inspect import entries_apart
    from rnnviz.files.models.reading import config_of
    from rnnviz.files.models.weights import choose

    entry = choose(entries_apart(path), name, path)
    if entry.supported and entry.cell is None and cell is None:
        raise InputError(f"{path}: {entry.name} cannot be run as it is: {entry.reason}. Give it by --cell.")
    if entry.supported and entry.cell is not None and entry.reason:
        print(f"{path}: {entry.name}: {entry.reason}.", file=sys.stderr)
    return config_of(path, entry, cell)
