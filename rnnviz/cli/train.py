"""rnnviz train: train a network on a task, compare a library's training, and write the weights."""

from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rnnviz.cli.terminal import (
    AGREE,
    DISAGREE,
    WRONG_INPUT,
    Answer,
    Commands,
    all_written,
    answer_json,
    print_note,
    progress_bar,
    signals_noted,
)
from rnnviz.core.errors import InputError
from rnnviz.core.model_formats import written_endings
from rnnviz.core.number_format import count, short
from rnnviz.io.resources import resource_path
from rnnviz.verify.verdict import Verdict

if TYPE_CHECKING:
    from rnnviz.training.loop import Checkpoint, TrainingEvent
    from rnnviz.training.summary import TrainingSummary
    from rnnviz.training.task import TrainingTask

_POLL_SECONDS = 0.2


def add_to(commands: Commands) -> None:
    train = commands.add_parser("train", help="train a network on a small task, and compare a library's training")
    train.add_argument("task", type=Path, nargs="?", help="a TOML training task")
    examples = tuple(sorted(path.stem for path in resource_path("training").glob("*.toml") if path.stem != "example"))
    train.add_argument(
        "--example",
        nargs="?",
        # Not a str, which argparse would look for in `choices`.
        const=Path("example"),
        choices=examples,
        metavar="NAME",
        help=f"print a task: {', '.join(examples)}",
    )
    train.add_argument(
        "--library", choices=("gluon", "torch"), help="library that trains on the same batches, to be compared"
    )
    train.add_argument("--json", metavar="PATH", help="write the losses as JSON; - writes them to standard output")
    train.add_argument(
        "--weights",
        type=Path,
        metavar="PATH",
        help=f"write the trained weights: {written_endings()}; the linear layer is "
        "written to an .npz file next to it, or into the .safetensors file of a character model",
    )
    train.add_argument("--quiet", action="store_true", help="print neither a progress bar nor the losses")
    train.set_defaults(answer=_train)


def _train(options: Namespace) -> Answer:
    from rnnviz.io.model_formats.load import format_for
    from rnnviz.io.outputs import check_outputs
    from rnnviz.training.checkpoints import linear_file
    from rnnviz.training.problems import batches_of
    from rnnviz.training.summary import TrainingSummary, training_json
    from rnnviz.training.task import load_task

    if options.example is not None:
        return AGREE, resource_path("training", f"{options.example}.toml").read_text(encoding="utf-8")
    if options.task is None:
        raise InputError("A training task is missing; see rnnviz train --help.")
    task = load_task(options.task)
    if options.library is not None:
        task = task.with_library(options.library)
    outputs = {"--json": None if options.json == "-" else options.json, "--weights": options.weights}
    if options.weights is not None:
        format_for(options.weights).check(task.network, options.weights)
        if not _is_character_model(task, options.weights):
            outputs["the linear layer"] = linear_file(options.weights)
    text = {} if task.problem.path is None else {"problem.path": task.problem.path}
    check_outputs(outputs, {"the task": options.task, **text})
    source = batches_of(task)
    task = task.with_input_size(source.input_size)
    # What was learned is kept: a signal ends the training, and not the writing of the files.
    with signals_noted() as signals:
        events, last = _events(task, options, signals)
        summary = TrainingSummary.of(task, source.baseline)
        for event in events:
            summary = summary.after(event)
        lines = [*summary.sentences]
        written = all_written(_writers(task, options, summary, events, last, source.names, lines))
    code = 128 + signals[0] if signals else DISAGREE if summary.verdict is Verdict.DISAGREE else AGREE
    code = code or (AGREE if written else WRONG_INPUT)
    if options.json == "-":
        return code, answer_json(training_json(task, summary, events), "-")
    return code, "" if options.quiet else "".join(f"{line}\n" for line in lines)


def _writers(
    task: "TrainingTask",
    options: Namespace,
    summary: "TrainingSummary",
    events: "list[TrainingEvent]",
    last: "Checkpoint",
    characters: Sequence[str],
    lines: list[str],
) -> Iterator[Callable[[], object]]:
    """Write each file that the options ask for; sentences about weights are added to `lines`."""
    from rnnviz.training.summary import training_json

    if options.json not in (None, "-"):
        yield lambda: answer_json(training_json(task, summary, events), options.json)
    if options.weights is not None:
        yield lambda: lines.extend(_write_weights(task, last, characters, options))


def _events(task: "TrainingTask", options: Namespace, signals: list[int]) -> "tuple[list[TrainingEvent], Checkpoint]":
    """All events, and the parameters after the last step; one of `signals` stops the training."""
    from rnnviz.training.loop import MANUAL, StepDone
    from rnnviz.training.process import TrainingProcess

    events: list[TrainingEvent] = []
    steps = task.training.steps
    with TrainingProcess(task) as process:
        with progress_bar(options.quiet) as notify:
            while not (process.ended or signals):
                events += process.events(_POLL_SECONDS)
                step = next((event for event in reversed(events) if isinstance(event, StepDone)), None)
                if step is not None:
                    done = f"{count(step.step)} of {count(steps)} steps, loss {short(step.learners[MANUAL].loss)}"
                    notify(done, step.step / steps)
        stopped = not process.ended
        last, rest = process.checkpoint()
    events += rest
    if stopped and not options.quiet:
        print_note(f"Stopped after {count(last.step)} of {count(steps)} training steps.")
    return events, last


def _is_character_model(task: "TrainingTask", path: Path) -> bool:
    """Whether the file is one that `rnnviz generate` reads."""
    return task.problem.kind == "characters" and path.suffix == ".safetensors" and task.network.cell in ("lstm", "gru")


def _write_weights(
    task: "TrainingTask", last: "Checkpoint", characters: Sequence[str], options: Namespace
) -> Iterator[str]:
    from rnnviz.training.checkpoints import linear_file, write_trained

    path: Path = options.weights
    if _is_character_model(task, path):
        from rnnviz.training.character_model import save_character_model

        save_character_model(path, task.network, last.parameters, "".join(characters))
        yield f"Wrote {path}: a character model, with which rnnviz generate writes text."
        return
    with progress_bar(options.quiet) as notify:
        check = write_trained(path, task.network, last.parameters, lambda done: notify(f"writing {path.name}", done))
    yield f"Wrote {path} ({count(check.numbers)} weights), and the linear layer to {linear_file(path)}."
    yield check.sentences
