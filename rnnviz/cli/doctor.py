"""rnnviz doctor: print versions, engines and platform."""

from argparse import Namespace

from rnnviz.cli.exit_codes import AGREE, Answer
from rnnviz.cli.parser import Commands


def add_to(commands: Commands) -> None:
    """Add the command."""
    doctor = commands.add_parser("doctor", help="print versions, engines and platform for a bug report")
    doctor.set_defaults(answer=_doctor)


def _doctor(options: Namespace) -> Answer:
    from rnnviz.execution.doctor import report

    return AGREE, report()
