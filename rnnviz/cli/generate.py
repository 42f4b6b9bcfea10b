"""rnnviz generate: text that a character model writes."""

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unicodedata import category

from rnnviz.cli.terminal import AGREE, Answer, Commands, answer_json, progress_bar
from rnnviz.core.errors import InputError, printable
from rnnviz.core.schema import LARGEST_SEED, FieldSpec

if TYPE_CHECKING:
    from rnnviz.training.character_model import Generator

_LENGTH = FieldSpec("int", "Number of characters to generate.", minimum=0, maximum=1_000_000)
_TEMPERATURE = FieldSpec("float", "Divisor of the logits.", minimum=0.0)
_SEED = FieldSpec("int", "Seed of the drawn characters.", minimum=0, maximum=LARGEST_SEED)
_LISTED = 5
"""Number of characters in a line of --probabilities."""


def add_to(commands: Commands) -> None:
    generate = commands.add_parser("generate", help="generate text with a character model")
    generate.add_argument(
        "model", nargs="?", type=Path, metavar="MODEL", help="a .safetensors file; default: the model of the guide"
    )
    generate.add_argument("--prefix", default="", metavar="TEXT", help="text to continue")
    generate.add_argument("--length", type=int, default=400, metavar="N", help="number of characters (default: 400)")
    generate.add_argument(
        "--temperature",
        type=float,
        default=0.5,
        metavar="X",
        help="divisor of the logits; 0 takes the most probable character (default: 0.5)",
    )
    generate.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the drawn characters (default: 0)")
    generate.add_argument(
        "--probabilities", action="store_true", help="print a line for each character, with the most probable ones"
    )
    generate.add_argument("--json", metavar="PATH", help="write text and probabilities as JSON; - for standard output")
    generate.add_argument("--quiet", action="store_true", help="print nothing but JSON")
    generate.set_defaults(answer=_generate)


def _generate(options: Namespace) -> Answer:
    from rnnviz.io.outputs import check_outputs
    from rnnviz.training.character_model import Generator, load_character_model, shipped_model

    length = _LENGTH.check("--length", options.length)
    temperature = _TEMPERATURE.check("--temperature", options.temperature)
    seed = _SEED.check("--seed", options.seed)
    path = options.model or shipped_model()
    check_outputs({"--json": None if options.json == "-" else options.json}, {"MODEL": path})
    model = load_character_model(path)
    try:
        generator = Generator(model, options.prefix, seed=seed, temperature=temperature)
    except InputError as error:
        raise InputError(f"--prefix cannot be read: {error}") from error
    with progress_bar(options.quiet) as notify:
        for done in range(length):
            generator.step()
            notify("generating", (done + 1) / length)
    out = ""
    if options.json is not None:
        out = answer_json(_content(generator), options.json)
    if options.quiet or options.json == "-":
        return AGREE, out
    if options.probabilities:
        return AGREE, "".join(_lines(generator))
    return AGREE, f"{_harmless(generator.text)}\n"


def _harmless(text: str) -> str:
    """The text with escaped control characters, which would command a terminal: the model may be another's."""
    return "".join(printable(c) if category(c) == "Cc" and c not in "\n\t" else c for c in text)


def _lines(generator: "Generator") -> list[str]:
    """A line for each generated character: it, its probability, the entropy, and the most probable characters."""
    from rnnviz.training.character_model import entropy

    lines = [f"{'drawn':<8}{'probability':>12}{'entropy':>10}  most probable\n"]
    characters = generator.model.characters
    for count in range(len(generator.prefix), len(generator.text)):
        probabilities, drawn = generator.probabilities(count), generator.text[count]
        best = sorted(range(len(characters)), key=lambda place: -probabilities[place])[:_LISTED]
        listed = "  ".join(f"{characters[place]!r} {probabilities[place]:.1%}" for place in best)
        probability = probabilities[characters.index(drawn)]
        lines.append(f"{drawn!r:<8}{probability:>12.1%}{entropy(probabilities):>10.2f}  {listed}\n")
    return lines


def _content(generator: "Generator") -> dict[str, Any]:
    from rnnviz.training.character_model import entropy

    characters = generator.model.characters
    steps = []
    for count in range(len(generator.prefix), len(generator.text)):
        probabilities = generator.probabilities(count)
        steps.append(
            {
                "character": generator.text[count],
                "probability": float(probabilities[characters.index(generator.text[count])]),
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
