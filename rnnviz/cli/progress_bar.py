"""A bar on a terminal for what takes long."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(quiet: bool) -> Iterator[Callable[[str, float], None]]:
    """A bar on a terminal for what takes longer than half a second."""
    if quiet or not sys.stderr.isatty():
        yield lambda stage, fraction: None
        return
    from tqdm import tqdm

    layout = "{desc} {percentage:3.0f}%|{bar}| {elapsed} / {remaining} left"
    with tqdm(total=1.0, delay=0.5, leave=False, file=sys.stderr, bar_format=layout) as bar:

        def tell(stage: str, fraction: float) -> None:
            bar.set_description_str(stage, refresh=False)
            bar.update(fraction - bar.n)

        yield tell
