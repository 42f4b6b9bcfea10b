"""The weights of the run that is shown as a model file, written and proved in a process of their own."""

from functools import partial
from pathlib import Path

from rnnviz.core.inputs_io import open_inputs
from rnnviz.execution.subprocess_call import call_in_subprocess
from rnnviz.gui.jobs.task_queue import Progress
from rnnviz.io.atomic import atomic_write
from rnnviz.io.model_formats.save.formats import WEIGHT_FORMATS, format_for
from rnnviz.verify.result import RunResult

FILTERS = ";;".join(f"{form.title} (*{form.ending})" for form in WEIGHT_FORMATS)
"""One filter of a dialog for each format, the first one first."""

_SECONDS = 3600.0


def write_weights(result: RunResult, path: Path, progress: Progress) -> str:
    """Write the weights in the format of the path's ending, and return what has been proved of the file.

    `progress` may raise to stop the writing; an existing file is then left as it was.

    Raises
    ------
    InputError, EngineError
        If the file cannot be written, or is not proved to hold the weights.
    """
    from rnnviz.execution.export_weights import write_verified

    form, folder = format_for(path), result.inputs.folder
    form.check(result.config.network, path)
    assert folder is not None, "the inputs of a run lie in a folder"
    with atomic_write(path) as temporary:
        check = call_in_subprocess(
            write_verified,
            partial(open_inputs, folder),
            form,
            temporary.absolute(),
            path,
            what=f"{path} could not be written",
            seconds=_SECONDS,
            tell=progress,
        )
    return check.short
