"""The recipes for Windows and macOS, as far as they can be checked on another system."""

import plistlib
import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from installer.contents import belongs

from rnnviz import __version__
from rnnviz.captures import rnn_capture
from rnnviz.core.model_formats import ENDINGS
from tests.needs import need, needs
from tests.programs import ended

ROOT = Path(__file__).parents[2]
PACKAGING = ROOT / "packaging"


class Made:
    """The object that a spec makes with one of PyInstaller's functions."""

    def __init__(self, *parts: Any, **options: Any) -> None:
        self.parts, self.options = parts, options
        self.pure, self.scripts = object(), object()
        self.binaries = [("numpy/core.pyd", "C:/site-packages/numpy/core.pyd", "BINARY")]
        self.datas = [("PySide6/translations/qt_de.qm", "qt_de.qm", "DATA"), ("rnnviz/resources/a", "a", "DATA")]


@pytest.fixture
def evaluate(monkeypatch, tmp_path):
    """Runs the spec as PyInstaller would on a system, and returns what it makes by the functions that it calls."""
    if sys.version_info < (3, 13):
        need("mxnet")
    hooks = ModuleType("PyInstaller.utils.hooks")
    hooks.__dict__.update(
        collect_dynamic_libs=lambda name: [],
        collect_submodules=lambda name: [name],
        copy_metadata=lambda name: [(name, name)],
    )
    for name, module in {"PyInstaller": ModuleType("PyInstaller"), "PyInstaller.utils": ModuleType("utils")}.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "PyInstaller.utils.hooks", hooks)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def evaluate(system):
        made: dict[str, list[Made]] = {name: [] for name in ("Analysis", "PYZ", "EXE", "COLLECT", "BUNDLE")}

        def maker(name):
            def make(*parts, **options):
                made[name].append(Made(*parts, **options))
                return made[name][-1]

            return make

        spec = PACKAGING / "rnnviz.spec"
        names = {"SPECPATH": str(PACKAGING), "workpath": str(tmp_path), **{name: maker(name) for name in made}}
        code = compile(spec.read_text(encoding="utf-8"), str(spec), "exec")
        with monkeypatch.context() as patch:
            patch.setattr(sys, "platform", system)
            exec(code, names)
        return made

    return evaluate


def test_the_spec_builds_one_program_on_linux_and_one_without_a_console_on_windows(evaluate):
    made = evaluate("linux")
    (program,), (folder,) = made["EXE"], made["COLLECT"]
    assert (program.options["name"], program.options["icon"], made["BUNDLE"]) == ("rnnviz", None, [])
    assert program in folder.parts
    # The text that `rnnviz capture --helper` prints, where the package looks for it.
    helper = (rnn_capture.__file__, "rnnviz/captures")
    assert helper in made["Analysis"][0].options["datas"]
    assert belongs("rnnviz/captures/rnn_capture.py", helper[0])
    made = evaluate("win32")
    assert {p.options["name"]: p.options["console"] for p in made["EXE"]} == {"rnnviz": True, "rnnvizw": False}
    assert {Path(program.options["icon"]).name for program in made["EXE"]} == {"rnnviz.ico"}
    assert (made["COLLECT"][0].parts[:2], made["BUNDLE"]) == (tuple(made["EXE"]), [])


def test_on_macos_the_spec_builds_an_application_that_opens_the_programs_files(evaluate):
    made = evaluate("darwin")
    (application,) = made["BUNDLE"]
    assert application.parts == (made["COLLECT"][0],)
    assert application.options["name"] == "rnnviz.app"
    # What cannot be written as a property list raises here.
    information = plistlib.loads(plistlib.dumps(application.options["info_plist"]))
    assert information["CFBundleShortVersionString"] == __version__
    assert information["LSBackgroundOnly"] is False
    declared = information["UTExportedTypeDeclarations"] + information["UTImportedTypeDeclarations"]
    kinds = {kind["UTTypeIdentifier"]: kind["UTTypeTagSpecification"]["public.filename-extension"] for kind in declared}
    opened = [kind for entry in information["CFBundleDocumentTypes"] for kind in entry["LSItemContentTypes"]]
    assert set(opened) == set(kinds)
    endings = {f".{ending}" for listed in kinds.values() for ending in listed}
    assert endings == {".rnnviz", ".params", ".safetensors", ".onnx"}
    assert endings - {".rnnviz"} <= set(ENDINGS)


@needs("shellcheck")
def test_the_shell_scripts_are_clean():
    scripts = [PACKAGING / "macos" / "build.sh", PACKAGING / "find-python"]
    answer = ended("shellcheck", *scripts)
    assert answer.returncode == 0, answer.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="the scripts are for the other systems")
@pytest.mark.parametrize("command", [["/bin/sh", "macos/build.sh"], [sys.executable, "windows/build.py"]])
def test_on_another_system_a_script_is_refused_and_changes_nothing(command):
    program, script = command
    answer = ended(program, PACKAGING / script)
    assert answer.returncode == 1
    assert re.fullmatch(rf"packaging/{script} makes an? \w+ for \w+, on \w+: this is Linux\.\n", answer.stderr)


def workflow(name: str) -> dict[Any, Any]:
    found = yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def test_the_release_builds_on_all_three_systems_before_it_is_drafted():
    release = workflow("release")
    jobs = release["jobs"]
    assert set(jobs["draft"]["needs"]) == set(jobs) - {"draft"} == {"linux", "windows", "macos"}
    assert release["permissions"] == {"contents": "read"}
    assert max(job["timeout-minutes"] for job in jobs.values()) <= 60


def test_every_action_is_pinned_to_a_commit_with_its_version():
    files = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    text = "".join(path.read_text(encoding="utf-8") for path in files)
    uses = re.findall(r"uses: (.*)$", text, re.MULTILINE)
    assert len(uses) >= 8
    versions = {}
    for use in uses:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use), use
        action, _, version = use.partition("@")
        assert versions.setdefault(action, version) == version
    assert set(re.findall(r"https?://([^/\s]+)", text)) == set()


def test_the_wheel_is_tested_on_every_system_and_python():
    (job,) = workflow("test")["jobs"].values()
    tried = {(row["system"].partition("-")[0], row["python"]) for row in job["strategy"]["matrix"]["include"]}
    assert {system for system, _ in tried} == {"ubuntu", "windows", "macos"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = {name.rpartition(" ")[2] for name in project["classifiers"] if "Python :: 3." in name}
    assert {python for _, python in tried} == versions
    commands = "\n".join(step.get("run", "") for step in job["steps"])
    for script in re.findall(r"packaging/[\w.-]+", commands):
        assert (ROOT / script).is_file()
