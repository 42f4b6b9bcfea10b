"""Progress bar on a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(quiet: bool) -> Iterator[Callable[[object, float], None]]:
    """Show a bar on a terminal for work that takes longer than half a second; a stage is shown by its `str`."""
    if quiet or not sys.stderr.isatty():
        yield lambda stage, fraction: None
        return
    from tqdm import tqdm

    layout = "{desc} {percentage:3.0f}%|{bar}| {elapsed} / {remaining} left"
    with tqdm(total=1.0, delay=0.5, leave=False, file=sys.stderr, bar_format=layout) as bar:

        def notify(stage: object, fraction: float) -> None:
            bar.set_description_str(str(stage), refresh=False)
            bar.update(fraction - bar.n)

        yield notify
