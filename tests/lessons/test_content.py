"""The text of a lesson, its questions and tasks: what they say, and the sentences about what is wrong with one."""

from pathlib import Path

import pytest

from rnnviz.core.errors import InputError
from rnnviz.core.trace_index import Location
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS
from rnnviz.engines.registry import find_engine, unknown_engine
from rnnviz.lessons.content import GuidedLesson, Question, StepView, Task, number_of, parse_lesson, read_lesson
from rnnviz.lessons.index import HIDEABLE, find_lesson, lesson_entries
from rnnviz.lessons.statements import check_statement
from tests.factories import make_result

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


PLACE = """goal = "Read the picture."
minutes = 15
needs = ["vanilla-t1"]
chapter = "Forward"
"""
CHOICES = """[predict]
question = "Is *h* larger?"
choices = ["Yes.", "No."]
answer = 1
hint = "Look."
reveal = "It is not."
"""
NUMBER = """[predict]
question = "How large is `h`?"
answer = "h(0)[0][0][3]"
tolerance = 0.01
hides = ["vector", "tabs"]
"""
QUIZ = """[quiz]
engine = "bug:no-h2h-bias"
choices = ["bug:state-not-carried", "bug:no-h2h-bias"]
reveal = "The bias is missing."
"""
TRY = """[try]
task = "Make the sequence longer than 2."
check = "T > 2"
hint = "See [the sequence](part:panel.sequence)."
done = "Well done."
"""


def text(block: str = "", place: str = "") -> str:
    heading = f"```lesson\n{place}```\n" if place else ""
    return f'# Title\nA summary.\n{heading}\n## Only\nProse.\n```step\nconfig = "vanilla-t2"\n{block}```\n'


def lesson(block: str = "", place: str = "") -> GuidedLesson:
    return parse_lesson(text(block, place), PATH)


def question(block: str) -> Question:
    found = lesson(block).steps[0].question
    assert found is not None
    return found


def task(block: str) -> Task:
    found = lesson(block).steps[0].task
    assert found is not None
    return found


def test_a_lesson_is_read_as_it_is_written():
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


def test_a_step_continues_with_the_previous_config():
    first, second = parse_lesson(LESSON, PATH).steps
    base = find_lesson("vanilla-t2").config
    assert (first.config.sequence.timesteps, first.config.network.hidden_size) == (3, 4)
    assert first.config.sequence.batch_size == base.sequence.batch_size
    assert first.config.compare == base.compare
    assert (second.config.sequence.timesteps, second.config.sequence.batch_size) == (3, 2)


def test_a_step_sets_keys_of_a_table_that_its_config_lacks():
    (only,) = lesson('[set]\n"backward.enabled" = true\n').steps
    assert only.config.backward.enabled


def test_a_path_in_a_lesson_is_relative_to_its_folder(tmp_path):
    block = '[set]\n"parameters.path" = "weights.npz"\n"parameters.initializer" = "file"\n'
    (only,) = parse_lesson(text(block), tmp_path / "01-x.md").steps
    assert only.config.parameters.path == str(tmp_path / "weights.npz")


def test_a_lesson_has_a_place_in_the_course():
    placed = lesson(place=PLACE)
    assert (placed.goal, placed.minutes) == ("Read the picture.", 15)
    assert (placed.needs, placed.chapter, placed.summary) == (("vanilla-t1",), "Forward", "A summary.")


def test_a_prediction_has_choices_or_a_number():
    asked = question(CHOICES)
    assert (asked.text, asked.choices, asked.answer) == ("Is *h* larger?", ("Yes.", "No."), 1)
    assert (asked.hint, asked.reveal, asked.hides) == ("Look.", "It is not.", HIDEABLE)
    number = question(NUMBER)
    assert number.hides == ("vector", "tabs")
    assert number.statement_of(0.25).expression == "close(h(0)[0][0][3], 0.25, atol=0.01, rtol=0)"
    assert number.statement_of(None).expression == "equal(h(0)[0][0][3], h(0)[0][0][3])"


def test_the_choice_of_a_run_is_the_answer():
    asked = question(CHOICES.replace("answer = 1", 'answer = "count(T == 2)"'))
    assert asked.statement_of(1).expression == "close(count(T == 2), 1, atol=0.0, rtol=0)"
    finding = check_statement(make_result(("gluon", "manual"), timesteps=2), asked.statement_of(1))
    assert (finding.holds, asked.answer_of(finding)) == (True, "No.")


def test_a_text_with_a_block_of_code_is_indented():
    asked = question(CHOICES.replace('"It is not."', '"""\n  ```\n  a\n  ```\n\n  b"""'))
    assert asked.reveal == "```\na\n```\n\nb"


def test_the_engine_of_a_quiz_has_no_name_before_the_answer():
    found = lesson(QUIZ)
    step = found.steps[0]
    assert step.question is not None
    assert (step.question.answer, len(step.question.choices)) == (1, 2)
    assert step.config.compare.candidates == (unknown_engine("bug:no-h2h-bias"),)
    assert step.named_config.compare.candidates == ("bug:no-h2h-bias",)
    assert found.quizzes == (0,)


def test_a_step_after_a_quiz_continues_with_the_named_engine():
    text = f'# T\n## A\n```step\nconfig = "vanilla-t2"\n{QUIZ}```\n## B\n```step\n```\n'
    assert parse_lesson(text, PATH).steps[1].config.compare.candidates == ("bug:no-h2h-bias",)


def test_unknown_engines_have_distinct_names_and_no_texts():
    names = {unknown_engine(bug.engine) for bug in KNOWN_BUGS.values()}
    assert len(names) == len(KNOWN_BUGS)
    for name in names:
        entry = find_engine(name)
        assert entry.bug is not None
        assert (entry.bug.name, entry.bug.engine, entry.bug.cause, entry.bug.origin) == (name, name, "", "")


def test_a_step_has_something_to_try():
    tried = task(TRY)
    assert (tried.text, tried.check.expression) == ("Make the sequence longer than 2.", "T > 2")
    assert tried.done == "Well done."
    solved = task(TRY + 'set = { "sequence.timesteps" = 3 }\nselection = { unit = 2 }\n')
    assert (solved.changes, solved.selection) == ({"sequence.timesteps": 3}, {"unit": 2})


@pytest.mark.parametrize(
    ("text", "number"),
    {
        "0.25": 0.25,
        " 1e-3 ": 0.001,
        "\N{MINUS SIGN}0,5": -0.5,
        "": None,
        "much": None,
        "nan": None,
        "inf": None,
    }.items(),
)
def test_a_typed_number_is_read(text, number):
    assert number_of(text) == number


FIRST = '# T\n## A\n```step\nconfig = "vanilla-t2"\n```\n'
WRONG_TEXTS = {
    "Two steps": 'begins with "Two steps": it must begin with "# Title"',
    "# \n## A\n": 'it must begin with "# Title"',
    "# Title\nNo step.": "has no step",
    "# T\n## \n```step\n```": "a step without a title",
    "# T\n## A\nNo block.": 'step "A": it has 0 blocks',
    FIRST + "```step\n```": "it has 2 blocks",
    "# T\n## A\n```step\nconfig = 1": "must have one",
    "# T\n## A\n```step\nconfig = \n```": "the step block is not a valid TOML file",
    "# T\n## A\n```step\n```": "names no config: the first step must name one",
    FIRST.replace("vanilla-t2", "vanila"): 'Unknown lesson "vanila". Did you mean "vanilla-t',
    FIRST.replace('"vanilla-t2"', "3"): "step.config = 3 is not allowed",
    FIRST + "See [there](part:cellar).": "the link part:cellar must lead to one of lanes, lane, vector",
    "# T\n```lesson\n```\n```lesson\n```\n## A": "has 2 blocks marked ```lesson",
    "# T\n```lesson\ngoal = \n```\n## A": "the lesson block is not a valid TOML file",
}
WRONG_BLOCKS = {
    "color = 1\n": "step.color is not a known key: it must be one of config, set, selection, look, statement",
    "set = 1\n": "set = 1 must be a table",
    '[set]\n"network.size" = 1\n': "network.size = 1 is not a known key",
    '[set]\n"sequence.timesteps" = 0\n': "sequence.timesteps = 0 is not allowed",
    "[set]\ntimesteps = 2\n": "timesteps = 2 is not a key of a config",
    "[selection]\nunit = -1\n": "selection.unit = -1 is not allowed",
    '[selection]\ndirection = "left"\n': 'selection.direction = "left" is not allowed',
    '[look]\npart = "window"\n': 'look.part = "window" is not allowed',
    "statement = 1\n": "statements must be written [[statement]]",
    '[[statement]]\ntext = "x"\n': "statement 1: statement.expression is missing",
    '[[statement]]\ntext = "x"\nexpression = " "\n': 'statement 1: statement.expression = "" is not allowed',
    '[[statement]]\ntext = "x"\nexpression = "T"\n[[statement]]\ntext = "x"\nexpression = "open(T)"\n': (
        "statement 2: open is not a known function"
    ),
    CHOICES + QUIZ: "has both predict and quiz",
    CHOICES.replace('question = "Is *h* larger?"\n', ""): "predict.question is missing: it must be a text",
    CHOICES.replace("answer = 1", "answer = 2"): "predict.answer = 2 must be the index of one of predict.choices",
    CHOICES.replace("answer = 1", 'answer = "No."'): "predict.answer: close(No., 0.0, atol=0.0, rtol=0) is not an expr",
    CHOICES.replace("answer = 1", 'answer = "T"\ntolerance = 1'): 'predict.answer = "T" must be',
    CHOICES.replace('["Yes.", "No."]', '["Yes."]'): "predict.choices must list 2 to 9 different texts",
    CHOICES.replace('["Yes.", "No."]', '["Yes.", "Yes."]'): "must list 2 to 9 different texts",
    CHOICES.replace("Look.", "Look [here](part:cellar)."): "the link part:cellar must lead to one of",
    NUMBER.replace('"h(0)[0][0][3]"', "3"): "predict.answer = 3 must be",
    NUMBER.replace("h(0)", "hidden(0)"): "predict.answer: hidden is not a known function",
    NUMBER.replace("tolerance = 0.01\n", ""): "predict.answer = ",
    NUMBER.replace('"tabs"', '"audit"'): "must be a list of some of lanes, vector, state-map, tabs, verdict",
    QUIZ.replace('engine = "bug:no-h2h-bias"\n', ""): "quiz.engine is missing",
    QUIZ.replace("bug:state-not-carried", "gluon"): 'quiz.choices: "gluon" must be a known bug',
    QUIZ.replace('engine = "bug:no-h2h-bias"', 'engine = "bug:no-i2h-bias"'): "must be one of quiz.choices",
    QUIZ.replace("bug:state-not-carried", "bug:nothing"): 'quiz.choices names "bug:nothing", which is not a known bug',
    TRY + 'set = { "sequence.steps" = 1 }\n': "sequence.steps",
    TRY + "set = 1\n": "set = 1 must be a table",
    TRY.replace("T > 2", "open(T)"): "try.check: open is not a known function",
}
WRONG_PLACES = {
    "color = 1\n": "lesson.color is not a known key: it must be one of goal, minutes, needs, chapter",
    "minutes = 0\n": "lesson.minutes = 0 is not allowed",
    'chapter = " "\n': 'lesson.chapter = "" is not allowed',
    'needs = "vanilla-t1"\n': "must be a list of names of lessons",
}


@pytest.mark.parametrize(
    ("wrong", "start"),
    [
        (WRONG_TEXTS, "Lesson 03-two-steps"),
        ({text(block): sentence for block, sentence in WRONG_BLOCKS.items()}, 'Lesson 03-two-steps, step "Only": '),
        ({text(place=place): sentence for place, sentence in WRONG_PLACES.items()}, "Lesson 03-two-steps: "),
    ],
    ids=["text", "block", "place"],
)
def test_an_error_in_a_lesson_is_one_sentence_that_names_it(wrong, start):
    for written, sentence in wrong.items():
        with pytest.raises(InputError) as caught:
            parse_lesson(written, PATH)
        assert sentence in str(caught.value), written
        assert str(caught.value).startswith(start), written


def test_a_binary_file_is_named(tmp_path):
    path = tmp_path / "x.md"
    path.write_bytes(b"# T\xff")
    with pytest.raises(InputError, match=r"x\.md is not a lesson: byte 3 is not valid UTF-8"):
        read_lesson(path)
    with pytest.raises(InputError, match=r"missing\.md does not exist"):
        read_lesson(tmp_path / "missing.md")


def test_the_list_of_lessons_has_their_titles_and_summaries():
    lessons = [read_lesson(entry.path) for entry in lesson_entries()]
    listed = [(entry.name, entry.title, entry.summary) for entry in lesson_entries()]
    assert listed == [(lesson.name, lesson.title, lesson.summary) for lesson in lessons]
    assert [entry.number for entry in lesson_entries()] == list(range(1, len(listed) + 1))
    assert len({entry.heading for entry in lesson_entries()}) == len(listed)
