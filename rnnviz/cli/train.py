"""rnnviz train and generate: train a network on a task, and write text with a trained character model."""

from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any
from unicodedata import category

from rnnviz.cli import terminal
from rnnviz.cli.terminal import AGREE, DISAGREE, WRONG_INPUT, Answer, Parser, option
from rnnviz.core.errors import InputError, printable
from rnnviz.core.model_formats import written_endings
from rnnviz.core.number_format import count, short
from rnnviz.core.resources import resource_path
from rnnviz.core.schema import LARGEST_SEED, FieldSpec, declarations
from rnnviz.verify.verdict import Verdict

if TYPE_CHECKING:
    from rnnviz.training.character_model import Generator
    from rnnviz.training.history import TrainingHistory
    from rnnviz.training.loop import Checkpoint
    from rnnviz.training.problems import BatchSource
    from rnnviz.training.task import TrainingTask

_POLL_SECONDS, _KEEP_SECONDS = 0.2, 60.0


def add_train_options(parser: Parser) -> None:
    option(parser, "task", "a TOML training task", nargs="?", type=Path)
    examples = tuple(sorted(path.stem for path in resource_path("training").glob("*.toml") if path.stem != "example"))
    # Its default is not a str, which argparse would look for in `choices`.
    listed = f"print a task: {', '.join(examples)}"
    option(parser, "--example NAME", listed, nargs="?", const=Path("example"), choices=examples)
    library = "library that trains on the same batches, to be compared"
    option(parser, "--library", library, choices=("gluon", "torch"))
    option(
        parser,
        "--resume FILE",
        "train on from a file of --checkpoint, or a session with a training, to the same numbers",
        type=Path,
    )
    option(parser, "--steps N", "number of training steps, in place of the task's")
    option(parser, "--checkpoint PATH", "write an .npz file from which --resume trains on", type=Path)
    option(parser, "--json PATH", "write the losses as JSON; - writes them to standard output", type=str)
    option(
        parser,
        "--weights PATH",
        f"write the trained weights: {written_endings()}; the linear layer is "
        "written to an .npz file next to it, or into the .safetensors file of a character model",
    )
    option(parser, "--quiet", "print neither a progress bar nor the losses")


def train(options: Namespace) -> Answer:
    if options.example is not None:
        return AGREE, resource_path("training", f"{options.example}.toml").read_text(encoding="utf-8")
    from rnnviz.training.training_file import save_training

    history, source, resume = _asked(options)
    _check_files(history.start.task, options)
    # What was learned is kept: a signal ends the training, and not the writing of the files.
    with terminal.signals_raised(note_first=True) as signals:
        keep = partial(save_training, options.checkpoint, history, source=source)
        last = _train(history, resume, options, signals, keep)
        lines = [*history.sentences]
        written = terminal.all_written(_writers(history, options, last, lines, keep))
    code = 128 + signals[0] if signals else DISAGREE if history.verdict is Verdict.DISAGREE else AGREE
    code = code or (AGREE if written else WRONG_INPUT)
    if options.json == "-":
        return code, terminal.answer_json(history.to_json(), "-")
    return code, terminal.in_lines(lines, options)


def _asked(options: Namespace) -> "tuple[TrainingHistory, BatchSource, Checkpoint | None]":
    """The training that the options ask for: a new one of a task, or one that goes on from a checkpoint."""
    from rnnviz.training.history import TrainingHistory, TrainingStart
    from rnnviz.training.problems import batches_of
    from rnnviz.training.task import Training, load_task
    from rnnviz.training.training_file import load_training

    steps = declarations(Training)["steps"].check("--steps", options.steps) if options.steps is not None else None
    if options.resume is None:
        if options.task is None:
            raise InputError("A training task is missing; see rnnviz train --help.")
        task = load_task(options.task)
        if options.library is not None:
            task = task.with_library(options.library)
        source = batches_of(task)
        return TrainingHistory(TrainingStart.of(_with_steps(task, steps), source)), source, None
    if options.task is not None or options.library is not None:
        raise InputError("--resume reads the task from its file: leave out the task and --library.")
    record = load_training(_training_in(options.resume))
    history, done = record.history, record.last.step
    task = _with_steps(history.start.task, steps)
    if task.training.steps <= done:
        raise InputError(f"All {count(done)} training steps are done: give more by --steps.")
    history.start = replace(history.start, task=task)
    return history, record.source, record.last


def _training_in(path: Path) -> Path:
    """The file of a training, which a session may hold."""
    from rnnviz.execution.folders import storage
    from rnnviz.io import ENDING
    from rnnviz.io.session import read_session

    if path.suffix.lower() != ENDING:
        return path
    training = read_session(path, lambda: storage().folder).training
    if training is None:
        raise InputError(f"{path} holds no training.")
    return training


def _with_steps(task: "TrainingTask", steps: int | None) -> "TrainingTask":
    return task if steps is None else replace(task, training=replace(task.training, steps=steps))


def _check_files(task: "TrainingTask", options: Namespace) -> None:
    """Refuse outputs that cannot be written, or are an input; a checkpoint may replace that of --resume."""
    from rnnviz.io.model_formats.load import format_for
    from rnnviz.io.outputs import check_outputs
    from rnnviz.training.checkpoints import linear_file

    outputs = {"--json": options.json, "--weights": options.weights}
    if options.weights is not None:
        format_for(options.weights).check(task.network, options.weights)
        if not _is_character_model(task, options.weights):
            outputs["the linear layer"] = linear_file(options.weights)
    if options.checkpoint is not None and options.checkpoint.suffix != ".npz":
        raise InputError(f"--checkpoint {options.checkpoint} must be an .npz file.")
    named = {"the task": options.task, "problem.path": task.problem.path}
    inputs = {name: path for name, path in named.items() if path is not None}
    check_outputs({**outputs, "--checkpoint": options.checkpoint}, inputs)
    if options.resume is not None:
        check_outputs(outputs, {"--resume": options.resume})


def _writers(
    history: "TrainingHistory",
    options: Namespace,
    last: "Checkpoint",
    lines: list[str],
    keep: "Callable[[Checkpoint], object]",
) -> Iterator[Callable[[], object]]:
    """Write each file that the options ask for; sentences about weights are added to `lines`."""
    if options.checkpoint is not None:
        yield lambda: keep(last)
    if options.json not in (None, "-"):
        yield lambda: terminal.answer_json(history.to_json(), options.json)
    if options.weights is not None:
        yield lambda: lines.extend(_write_weights(history.start.task, last, history.start.characters, options))


def _train(
    history: "TrainingHistory",
    resume: "Checkpoint | None",
    options: Namespace,
    signals: list[int],
    keep: "Callable[[Checkpoint], object]",
) -> "Checkpoint":
    """Train, and return the parameters after the last step; one of `signals` stops the training.

    A long training is kept from time to time, as a computer may stop.
    """
    from rnnviz.training.loop import MANUAL, TrainingProcess

    steps, kept = history.start.task.training.steps, monotonic()
    with TrainingProcess(history.start.task, resume) as process:
        with terminal.progress_bar(options.quiet) as notify:
            while not (process.ended or signals):
                history.add(process.events(_POLL_SECONDS))
                if history.steps:
                    loss = short(float(history.column(f"{MANUAL}.loss")[-1]))
                    notify(f"{count(history.steps)} of {count(steps)} steps, loss {loss}", history.steps / steps)
                if options.checkpoint is not None and history.checkpoints and monotonic() - kept > _KEEP_SECONDS:
                    keep(history.checkpoints[-1])
                    kept = monotonic()
        stopped = not process.ended
        last, rest = process.checkpoint()
    history.add(rest)
    if stopped and not options.quiet:
        terminal.print_note(f"Stopped after {count(last.step)} of {count(steps)} training steps.")
    return last


def _is_character_model(task: "TrainingTask", path: Path) -> bool:
    return task.problem.kind == "characters" and path.suffix == ".safetensors" and task.network.cell in ("lstm", "gru")


def _write_weights(task: "TrainingTask", last: "Checkpoint", characters: str, options: Namespace) -> Iterator[str]:
    from rnnviz.training.checkpoints import linear_file, write_trained

    path: Path = options.weights
    if _is_character_model(task, path):
        from rnnviz.training.character_model import save_character_model

        save_character_model(path, task.network, last.parameters, characters)
        yield f"Wrote {path}: a character model, with which rnnviz generate writes text."
        return
    with terminal.progress_bar(options.quiet) as notify:
        check = write_trained(path, task.network, last.parameters, lambda done: notify(f"writing {path.name}", done))
    yield f"Wrote {path} ({count(check.numbers)} weights), and the linear layer to {linear_file(path)}."
    yield check.sentences


_LENGTH = FieldSpec("int", "Number of characters to generate.", minimum=0, maximum=1_000_000)
_TEMPERATURE = FieldSpec("float", "Divisor of the logits.", minimum=0.0)
_SEED = FieldSpec("int", "Seed of the drawn characters.", minimum=0, maximum=LARGEST_SEED)
_LISTED = 5
"""Number of characters in a line of --probabilities."""


def add_generate_options(parser: Parser) -> None:
    option(parser, "model MODEL", "a .safetensors file; default: the model of the guide", nargs="?")
    option(parser, "--prefix TEXT", "text to continue", default="")
    option(parser, "--length N", "number of characters (default: 400)", default=400)
    divisor = "divisor of the logits; 0 takes the most probable character (default: 0.5)"
    option(parser, "--temperature X", divisor, default=0.5)
    option(parser, "--seed N", "seed of the drawn characters (default: 0)", default=0)
    option(parser, "--probabilities", "print a line for each character, with the most probable ones")
    option(parser, "--json PATH", "write text and probabilities as JSON; - for standard output", type=str)
    option(parser, "--quiet", "print nothing but JSON")


def generate(options: Namespace) -> Answer:
    from rnnviz.io.outputs import check_outputs
    from rnnviz.training.character_model import Generator, load_character_model, shipped_model

    length = _LENGTH.check("--length", options.length)
    temperature = _TEMPERATURE.check("--temperature", options.temperature)
    seed = _SEED.check("--seed", options.seed)
    path = options.model or shipped_model()
    check_outputs({"--json": options.json}, {"MODEL": path})
    model = load_character_model(path)
    try:
        generator = Generator(model, options.prefix, seed=seed, temperature=temperature)
    except InputError as error:
        raise InputError(f"--prefix cannot be read: {error}") from error
    with terminal.progress_bar(options.quiet) as notify:
        for done in range(length):
            generator.step()
            notify("generating", (done + 1) / length)
    content = _content(generator)
    out = "" if options.json is None else terminal.answer_json(content, options.json)
    if options.quiet or options.json == "-":
        return AGREE, out
    if options.probabilities:
        return AGREE, "".join(_lines(content))
    # Control characters would command a terminal: the model may be another's.
    return AGREE, "".join(printable(c) if category(c) == "Cc" and c not in "\n\t" else c for c in f"{generator.text}\n")


def _lines(content: dict[str, Any]) -> Iterator[str]:
    """A line for each generated character: it, its probability, the entropy, and the most probable characters."""
    yield f"{'drawn':<8}{'probability':>12}{'entropy':>10}  most probable\n"
    characters = content["characters"]
    for step in content["steps"]:
        probabilities = step["probabilities"]
        best = sorted(range(len(characters)), key=lambda place: -probabilities[place])[:_LISTED]
        listed = "  ".join(f"{characters[place]!r} {probabilities[place]:.1%}" for place in best)
        yield f"{step['character']!r:<8}{step['probability']:>12.1%}{step['entropy']:>10.2f}  {listed}\n"


def _content(generator: "Generator") -> dict[str, Any]:
    from rnnviz.training.character_model import entropy

    characters = generator.model.characters
    steps = []
    for at in range(len(generator.prefix), len(generator.text)):
        probabilities, drawn = generator.probabilities(at), generator.text[at]
        steps.append(
            {
                "character": drawn,
                "probability": float(probabilities[characters.index(drawn)]),
                "entropy": entropy(probabilities),
                "probabilities": probabilities.tolist(),
            }
        )
    return {
        "model": str(generator.model.path),
        "characters": list(characters),
        "prefix": generator.prefix,
        "text": generator.text.removeprefix(generator.prefix),
        "temperature": generator.temperature,
        "seed": generator.seed,
        "steps": steps,
    }
