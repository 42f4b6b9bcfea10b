"""Export of weights as a model file, written and verified in a subprocess."""

from functools import partial
from pathlib import Path

from rnnviz.core.inputs import open_inputs
from rnnviz.execution.child_process import call_in_subprocess
from rnnviz.gui.jobs.task_queue import Progress
from rnnviz.io.model_formats.load import WEIGHT_FORMATS, format_for
from rnnviz.io.outputs import atomic_write
from rnnviz.verify.result import RunResult

FILTERS = ";;".join(f"{form.title} (*{form.ending})" for form in WEIGHT_FORMATS)
"""File dialog filters, one for each format."""

_SECONDS = 3600.0


def write_weights(result: RunResult, path: Path, progress: Progress) -> str:
    """Write the weights in the format of the path's ending, and return a summary of the verification.

    `progress` may raise to cancel; an existing file then stays unchanged.

    Raises
    ------
    InputError, EngineError
        If writing or verification fails.
    """
    from rnnviz.execution.export_weights import write_verified

    form, folder = format_for(path), result.inputs.folder
    form.check(result.config.network, path)
    assert folder is not None, "the inputs of a run have a folder"
    with atomic_write(path) as temporary:
        check = call_in_subprocess(
            write_verified,
            partial(open_inputs, folder),
            form,
            temporary.absolute(),
            path,
            what=f"{path} could not be written",
            seconds=_SECONDS,
            notify=progress,
        )
    return check.short
