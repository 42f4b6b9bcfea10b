"""rnnviz config: the lessons' configs."""

import sys
from argparse import Namespace

from rnnviz.cli.exit_codes import AGREE
from rnnviz.cli.parser import Commands


def add_to(commands: Commands) -> None:
    """Add the command and its options."""
    config = commands.add_parser("config", help="print a lesson's config")
    config.add_argument("lesson", nargs="?", help="the lesson; without it, the lessons are listed")
    config.set_defaults(answer=_config)


def _config(options: Namespace) -> int:
    from rnnviz.files.lessons import find_lesson, lessons

    if options.lesson is None:
        width = max(len(lesson.name) for lesson in lessons())
        for lesson in lessons():
            print(f"{lesson.name:{width}}  {lesson.title}")
    else:
        sys.stdout.write(find_lesson(options.lesson).path.read_text(encoding="utf-8"))
    return AGREE
