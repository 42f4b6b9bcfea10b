"""Whole programs that run a config: scripts without a guard, programs that end or are killed in the middle."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.cases import cases
from tests.programs import ended, python

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PRELUDE = cases(__file__)["prelude"]


def script(folder: Path, code: str) -> list[str]:
    path = folder / "script.py"
    path.write_text(PRELUDE + code, encoding="utf-8")
    return [sys.executable, "-W", "error::ResourceWarning", str(path)]


def environment(folder: Path) -> dict[str, str]:
    """A temporary folder of the program's own, in which nothing may be left."""
    (folder / "tmp").mkdir()
    return {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder / "tmp")}


def answer(folder: Path, code: str, expected: int = 0) -> list[str]:
    done = ended(*script(folder, code), env=environment(folder))
    assert done.returncode == expected, done.stderr
    assert done.stderr == "" or expected
    assert list((folder / "tmp").iterdir()) == []
    return done.stdout.split()


def gone(pid: int) -> bool:
    try:
        process = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return True
    _, alive = psutil.wait_procs([process], timeout=100)
    # An orphan may stay a zombie; it only must not run.
    return not alive or process.status() == psutil.STATUS_ZOMBIE


def test_a_script_without_a_guard_can_run_at_its_top_level_and_is_run_once(tmp_path):
    code = "print('top')\nprint(run(config(), load_inputs).verdict)\nprint(run(config(), load_inputs).verdict)\n"
    assert answer(tmp_path, code) == ["top", "disagree", "disagree"]


def test_code_from_the_command_line_and_from_standard_input_can_run(tmp_path):
    code = PRELUDE + "print(run(config(), load_inputs).verdict)"
    env = environment(tmp_path)
    by_argument, by_input = python("-c", code, env=env), python(env=env, input=code)
    assert by_argument.stdout.split() == by_input.stdout.split() == ["disagree"], by_input.stderr


def test_a_command_that_fails_before_its_run_leaves_nothing(tmp_path):
    done = python("-m", "rnnviz", "run", tmp_path / "missing.toml", env=environment(tmp_path))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only POSIX systems fork")
def test_a_forked_process_starts_a_worker_of_its_own_and_leaves_that_of_its_parent(tmp_path):
    code = """
import multiprocessing, os, sys
from rnnviz.execution import supervisor
def pid():
    return supervisor._shared.pid
result = run(config(), load_inputs)
print(pid(), flush=True)
def compute():
    print(run(config(), load_inputs).verdict, pid(), bool(result["manual"].hidden.any()), flush=True)
forked = os.fork()
if not forked:
    compute()
    sys.exit()
os.waitpid(forked, 0)
process = multiprocessing.get_context("fork").Process(target=compute)
process.start()
process.join()
run(config(), load_inputs)
print(pid(), result.folder.is_dir())
"""
    first, *others, last, there = answer(tmp_path, code)
    assert others[0::3] == ["disagree"] * 2
    assert others[2::3] == ["True"] * 2
    assert len({first, *others[1::3]}) == 3
    assert (last, there) == (first, "True")
    assert all(gone(int(pid)) for pid in (first, *others[1::3]))


def test_the_worker_of_a_program_that_is_killed_ends_although_a_forked_process_lives_on(tmp_path):
    code = """
import os, signal, time
from rnnviz.execution import supervisor
run(config(), load_inputs)
print(supervisor._shared.pid, flush=True)
if not os.fork():
    print(os.getpid(), flush=True)
    time.sleep(100)
time.sleep(100)
"""
    with subprocess.Popen(
        script(tmp_path, code), env=environment(tmp_path), stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        worker, forked = int(program.stdout.readline()), int(program.stdout.readline())
        program.kill()
        program.wait(timeout=100)
        try:
            assert gone(worker)
            assert psutil.pid_exists(forked)
        finally:
            os.kill(forked, signal.SIGKILL)


@pytest.mark.parametrize(("ending", "code"), [("", 0), ("raise ValueError", 1), ("import os; os._exit(0)", 0)])
def test_nothing_is_left_when_the_program_ends_with_a_result(tmp_path, ending, code):
    warm = "from rnnviz.execution import supervisor\nprint(supervisor._shared.pid)"
    (pid,) = answer(tmp_path, f"import sys\nresult = run(config(), load_inputs)\n{warm}\n{ending}\n", code)
    assert gone(int(pid))


def test_nothing_is_left_when_the_program_ends_in_the_middle_of_a_run(tmp_path):
    code = """
import sys
from tests.leaks import children
supervisor = Supervisor(warm=())
events = supervisor.events(RunRequest(config(), loads.hang))
next(events)
print(*[child.pid for child in children()])
sys.exit(0)
"""
    (pid,) = answer(tmp_path, code)
    assert gone(int(pid))


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGTERM])
def test_a_program_that_is_killed_leaves_no_orphan_and_no_folder(tmp_path, stop):
    code = """
from tests.leaks import children
supervisor = Supervisor(warm=())
for event in supervisor.events(RunRequest(config(), loads.hang)):
    print(*[child.pid for child in children()], str(event.stage).replace(" ", "-"), flush=True)
"""
    env = environment(tmp_path)
    with subprocess.Popen(script(tmp_path, code), env=env, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        pid, stage = program.stdout.readline().split()
        while stage != "reading-the-inputs":
            pid, stage = program.stdout.readline().split()
        assert psutil.pid_exists(int(pid))
        program.send_signal(stop)
        program.wait(timeout=100)
    assert gone(int(pid))
    # The folder that it could not remove is removed by its child.
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_keyboard_interrupt_reaches_the_program_and_not_its_child(tmp_path):
    code = """
try:
    run(config(), loads.hang, lambda stage, fraction: print(str(stage).replace(" ", "-"), flush=True))
except KeyboardInterrupt:
    print("interrupted")
"""
    with subprocess.Popen(
        script(tmp_path, code),
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as program:
        assert program.stdout is not None
        while program.stdout.readline().strip() != "reading-the-inputs":
            pass
        # As a terminal does it: the signal goes to every process of the group.
        os.killpg(program.pid, signal.SIGINT)
        try:
            out, err = program.communicate(timeout=100)
        finally:
            program.kill()
    assert (out.split()[-1], err, program.returncode) == ("interrupted", "", 0)
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("timesteps", [100_000, 1_000], ids=["the inputs", "the traces"])
def test_a_disk_that_takes_no_more_is_a_sentence(tmp_path, timesteps):
    code = f"""
import resource
from rnnviz.core.errors import EngineError
resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
try:
    run(config(sequence={{"timesteps": {timesteps}}}), load_inputs)
except EngineError as error:
    print(error)
"""
    told = " ".join(answer(tmp_path, code))
    assert told.startswith(f"The run could not be stored in {tmp_path / 'tmp'}")
    assert ": File too" in told
