"""What drawn runs write, at two commits: python -m tools.equality COUNT FILE, then BEFORE.json AFTER.json.

The first writes a digest of every output of COUNT configs, each of which follows from its number; the second compares
two such files. Only the command line is used, which an older commit has as well. Times and folders are left out.
"""

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

import rnnviz
from rnnviz.cli import main as command
from rnnviz.engines.known_bugs.registry import known_bugs_of

CELLS = ("lstm", "gru", "gru_reset_before", "rnn_tanh", "rnn_relu", "lstm_peephole", "lstm_coupled")
STEP = """import numpy as np


def step(x, state, p):
    a = x @ p.i2h_weight.T + p.i2h_bias + state[0] @ p.h2h_weight.T + p.h2h_bias
    return (np.tanh(a) * {factor},)
"""
OUTPUTS = {"json": "json", "npz": "npz", "csv": "csv", "page": "html", "report": "report.html", "notebook": "ipynb"}
"""The options of a run that write a file, and the file's ending."""
VARYING = re.compile(
    r'"(seconds|versions)": (\{[^{}]*\}|[\d.e-]+)|[\d.,]+ m?s\b|\d{4}-\d\d-\d\d[ T][\d:]+'
    r"|<script>.*?</script>|sha256-[\w+/=]+",
    re.DOTALL,
)
"""Times, dates, and the script of a page, which may be written in another way."""


def draw(random: Random) -> tuple[str, str]:
    """The text of a config, and the kind of its candidate."""
    kind = random.choices(["network", "bug", "recording", "saturated", "drift", "custom"], [30, 40, 16, 5, 4, 5])[0]
    cell = "rnn_tanh" if kind == "custom" else random.choice(CELLS)
    timesteps, samples, hidden = 300 if kind == "drift" else random.randint(1, 9), random.randint(1, 4), 5
    both = random.random() < 0.5
    network: dict[str, Any] = {
        "cell": cell,
        "input_size": random.randint(1, 5),
        "hidden_size": hidden,
        "bidirectional": both,
        "num_layers": random.randint(1, 3),
        "reverse": not both and random.random() < 0.3,
        "layout": random.choice(["NTC", "TNC"]),
        "dtype": random.choice(["float32", "float64"]),
    }
    if cell == "lstm":
        network |= random.choice([{}, {}, {"projection_size": hidden - 1}, {"clip": 0.7}])
    sequence: dict[str, Any] = {"timesteps": timesteps, "batch_size": samples, "seed": random.randrange(1000)}
    if random.random() < 0.5 and kind != "custom":
        sequence["lengths"] = [timesteps, *(random.randint(1, timesteps) for _ in range(samples - 1))]
    backward = random.random() < 0.7 and kind not in ("drift", "custom")
    scale = {"saturated": 200.0, "drift": 1.6}.get(kind, random.choice([0.3, 0.8, 4.0]))
    tables = {
        "network": network,
        "sequence": sequence,
        "parameters": {"initializer": "normal", "bias": random.choice(["uniform", "zeros"]), "scale": scale},
        "initial_state": {"source": random.choice(["normal", "zeros"])},
        "backward": {"enabled": backward, "loss": random.choice(["sum", "normal"])},
    }
    if backward and random.random() < 0.2:
        tables["backward"]["truncate"] = random.randint(1, timesteps)
    lines = (
        f"[{table}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
        for table, keys in tables.items()
    )
    return "".join(lines), kind


def outputs(number: int) -> Iterator[tuple[str, str]]:
    """All that the command line prints and writes of a config, in the working directory."""
    random = Random(number)
    text, kind = draw(random)
    Path("config.toml").write_text(text, encoding="utf-8")
    candidate = {"custom": "./step.py", "recording": "recording:recording.npz"}.get(kind, "onnx")
    if kind == "bug":
        network = rnnviz.Config.from_mapping(tomllib.loads(text)).network
        bugs = [bug.engine for bug in known_bugs_of(network) if "enabled = true" in text or not bug.of_gradients]
        candidate = ",".join(random.sample(bugs, random.choice([1, 1, 2])))
    Path("step.py").write_text(STEP.format(factor=random.choice(["1.0", "1.001"])), encoding="utf-8")
    if kind == "recording":
        engines = random.choice(["manual", "bug:no-h2h-bias"])
        called("run", "config.toml", "--engines", engines, "--npz", "made.npz", "--audit", "off")
        with np.load("made.npz") as made:
            names = random.choice([("output", "state"), ("hidden", "output", "state")])
            dtype = random.choice([None, None, "float16"])
            arrays = {name: made[f"{engines}.{name}"] for name in names}
            np.savez("recording.npz", **{name: array.astype(dtype or array.dtype) for name, array in arrays.items()})
    os.utime("step.py", (1e9, 1e9))
    engines = ("--engines", f"manual,{candidate}")
    files = [word for option, ending in OUTPUTS.items() for word in (f"--{option}", f"run.{ending}")]
    yield "text", called("run", "config.toml", *engines, "--audit", random.choice(["auto", "full"]), *files)
    if Path("run.json").exists():
        yield from flat("json", json.loads(Path("run.json").read_text(encoding="utf-8")))
    for path in (Path(f"run.{ending}") for ending in ("csv", "html", "report.html", "ipynb")):
        if path.exists():
            yield path.name, cleaned(path.read_text(encoding="utf-8"))
    if Path("run.npz").exists():
        with np.load("run.npz") as arrays:
            for name, array in arrays.items():
                yield f"npz.{name}", f"{array.shape}{array.dtype}{array.tolist()}"
    for options in ((), ("--gradient",)):
        yield f"explain {options}", called("explain", "config.toml", *engines, "--json", "-", *options)


def called(*words: str) -> str:
    """The exit code of a call and all that it printed."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = command(list(words))
    return cleaned(f"{code}\n{out.getvalue()}")


def cleaned(text: str) -> str:
    return VARYING.sub("", text.replace(os.getcwd(), "FOLDER"))


def flat(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key in value.keys() - {"seconds", "versions"}:
            yield from flat(f"{path}.{key}", value[key])
    else:
        yield path, cleaned(json.dumps(value, ensure_ascii=False))


def write(count: int, target: Path) -> int:
    found = {}
    target, folder = target.absolute(), Path(tempfile.gettempdir()) / "rnnviz-equality"
    for number in range(count):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        os.chdir(folder)
        written = dict(outputs(number))
        found[str(number)] = {
            name: text if len(text) < 40 else hashlib.sha256(text.encode()).hexdigest()[:16]
            for name, text in written.items()
        }
    target.write_text(json.dumps(found, indent=0, ensure_ascii=False), encoding="utf-8")
    print(f"{count} configs, {sum(map(len, found.values()))} outputs")
    return 0


def compare(before: Path, after: Path) -> int:
    """Print the differences, and how many there are of each kind; outputs that are only after are none."""
    old, new = (json.loads(path.read_text(encoding="utf-8")) for path in (before, after))
    found = [
        (number, name, text, new.get(number, {}).get(name, "(none)"))
        for number, entries in old.items()
        for name, text in entries.items()
        if new.get(number, {}).get(name) != text
    ]
    for number, name, text, other in found[:40]:
        print(f"{number}: {name}: {text} -> {other}")
    kinds = Counter(name for _, name, _, _ in found).most_common(20)
    print(f"{len(found)} differences in {sum(map(len, old.values()))} outputs", *kinds)
    return 1 if found else 0


if __name__ == "__main__":
    first, second = sys.argv[1:]
    sys.exit(write(int(first), Path(second)) if first.isdigit() else compare(Path(first), Path(second)))
