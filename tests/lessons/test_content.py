"""The text of a lesson: what it says, and the sentences about what is wrong with one."""

from pathlib import Path

import pytest

from rnnviz.core.errors import InputError
from rnnviz.core.trace_index import Location
from rnnviz.lessons.content import StepView, parse_lesson, read_lesson
from rnnviz.lessons.index import find_lesson, lesson_entries

LESSON = """# Two steps
What is carried from one step
to the next.

## First
Some *prose*.

```python
## a comment and no step
```

More prose.

```step
config = "vanilla-t2"
[set]
"sequence.timesteps" = 3
network.hidden_size = 4
[selection]
layer = 0
direction = "backward"
timestep = 2
[look]
part = "lanes"
colors = "error_ratio"
engine = "manual"
[[statement]]
text = "There are three."
expression = "T == 3"
[[statement]]
text = "The output is the state."
expression = "equal(out[0][-1], state[0][0][0])"
```

After the block.

## Second
```step
[set]
"sequence.batch_size" = 2
```
"""
PATH = Path("folder/03-two-steps.md")


def step(settings: str, title: str = "Only") -> str:
    return f"# Title\n\n## {title}\nProse.\n```step\n{settings}\n```\n"


def test_a_lesson_is_read_as_it_is_written() -> None:
    lesson = parse_lesson(LESSON, PATH)
    assert (lesson.name, lesson.title) == ("03-two-steps", "Two steps")
    assert lesson.summary == "What is carried from one step to the next."
    first, second = lesson.steps
    assert first.title == "First"
    assert (
        first.prose == "Some *prose*.\n\n```python\n## a comment and no step\n```\n\nMore prose.\n\n\nAfter the block."
    )
    assert first.look == StepView("lanes", "error_ratio", "manual")
    assert first.location(Location(sample=5, unit=3)) == Location(0, 1, 2, 5, 3)
    assert [(statement.text, statement.expression) for statement in first.statements] == [
        ("There are three.", "T == 3"),
        ("The output is the state.", "equal(out[0][-1], state[0][0][0])"),
    ]
    assert (second.prose, second.look, second.statements) == ("", StepView(), ())


def test_a_step_continues_with_the_previous_config() -> None:
    first, second = parse_lesson(LESSON, PATH).steps
    base = find_lesson("vanilla-t2").config
    assert (first.config.sequence.timesteps, first.config.network.hidden_size) == (3, 4)
    assert first.config.sequence.batch_size == base.sequence.batch_size
    assert first.config.compare == base.compare
    assert (second.config.sequence.timesteps, second.config.sequence.batch_size) == (3, 2)


def test_a_step_sets_keys_of_a_table_that_its_config_lacks() -> None:
    (only,) = parse_lesson(step('config = "vanilla-t2"\n[set]\n"backward.enabled" = true'), PATH).steps
    assert only.config.backward.enabled


def test_a_path_in_a_lesson_is_relative_to_its_folder(tmp_path: Path) -> None:
    text = step('config = "vanilla-t2"\n[set]\n"parameters.path" = "weights.npz"\n"parameters.initializer" = "file"')
    (only,) = parse_lesson(text, tmp_path / "01-x.md").steps
    assert only.config.parameters.path == str(tmp_path / "weights.npz")


FIRST = 'config = "vanilla-t2"\n'
WRONG = {
    "Two steps": 'begins with "Two steps": it must begin with "# Title"',
    "# \n## A\n": 'it must begin with "# Title"',
    "# Title\nNo step.": "has no step",
    "# T\n## \n```step\n```": "a step without a title",
    "# T\n## A\nNo block.": 'step "A" has 0 blocks',
    step(FIRST) + "```step\n```": 'step "Only" has 2 blocks',
    "# T\n## A\n```step\nconfig = 1": "must have one",
    step("config = "): "the step block is not valid TOML",
    step(""): "names no config: the first step must name one",
    step('config = "vanila"'): 'Unknown lesson "vanila". Did you mean "vanilla-t',
    step("config = 3"): "config = 3 must be the name of a config",
    step(FIRST + "color = 1"): "color is not a known key: it must be one of config, set, selection, look, statement",
    step(FIRST + "set = 1"): "set = 1 must be a table",
    step(FIRST + '[set]\n"network.size" = 1'): "network.size = 1 is not a known key",
    step(FIRST + '[set]\n"sequence.timesteps" = 0'): "sequence.timesteps = 0 is not allowed",
    step(FIRST + "[set]\ntimesteps = 2"): "timesteps = 2 is not a key of a config",
    step(FIRST + "[selection]\ntime = 1"): "selection.time is not a known key",
    step(FIRST + "[selection]\nunit = -1"): "selection.unit = -1 must be a whole number",
    step(FIRST + "[selection]\nunit = true"): "selection.unit = true must be a whole number",
    step(FIRST + '[selection]\ndirection = "left"'): 'selection.direction = "left" must be forward or backward',
    step(FIRST + '[look]\npart = "window"'): 'look.part = "window" must be one of lanes, lane, vector',
    step(FIRST).replace("## Only", "## Only\nSee [there](part:cellar).", 1): (
        'Lesson 03-two-steps, step "Only": the link part:cellar must lead to one of lanes, lane, vector'
    ),
    step(FIRST + '[look]\ncolors = "red"'): 'look.colors = "red" must be one of value, error_ratio',
    step(FIRST + "[look]\nengine = 1"): "look.engine = 1 must be the name of an engine",
    step(FIRST + "look = 1"): "look = 1 must be a table",
    step(FIRST + "statement = 1"): "statements must be written [[statement]]",
    step(FIRST + '[[statement]]\ntext = "x"'): "statement 1 must have two texts",
    step(FIRST + '[[statement]]\ntext = "x"\nexpression = " "'): "statement 1 must have two texts",
    step(FIRST + '[[statement]]\ntext_ = "x"'): "statement 1.text_ is not a known key",
    step(FIRST + '[[statement]]\ntext = "x"\nexpression = "T"\n[[statement]]\ntext = "x"\nexpression = "open(T)"'): (
        'Lesson 03-two-steps, step "Only", statement 2: open is not a known function'
    ),
}


@pytest.mark.parametrize(("text", "sentence"), WRONG.items(), ids=lambda value: value[-30:])
def test_an_error_in_a_lesson_is_one_sentence_that_names_it(text: str, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_lesson(text, PATH)
    assert sentence in str(caught.value)
    assert str(caught.value).startswith("Lesson 03-two-steps")


def test_a_binary_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.md"
    path.write_bytes(b"# T\xff")
    with pytest.raises(InputError, match=r"x\.md is not a lesson: byte 3 is not valid UTF-8"):
        read_lesson(path)
    with pytest.raises(InputError, match=r"missing\.md does not exist"):
        read_lesson(tmp_path / "missing.md")


def test_the_list_of_lessons_has_their_titles_and_summaries() -> None:
    lessons = [read_lesson(entry.path) for entry in lesson_entries()]
    listed = [(entry.name, entry.title, entry.summary) for entry in lesson_entries()]
    assert listed == [(lesson.name, lesson.title, lesson.summary) for lesson in lessons]
    assert [entry.number for entry in lesson_entries()] == list(range(1, len(listed) + 1))
    assert len({entry.heading for entry in lesson_entries()}) == len(listed)
