"""Writes the captures of the lesson on captures: python packaging/sample_capture.py, where PyTorch is installed.

A decoder reads the letters of a word one call at a time. It passes its state on in `captured-decoder.npz`, and forgets
it in `captured-forgetful.npz`.
"""

from pathlib import Path
from zipfile import ZipFile

import torch

from rnnviz.captures.rnn_capture import capture

LESSONS = Path(__file__).parents[1] / "resources" / "lessons"
WORD, LETTERS = "hello", "ehlo"
HIDDEN_SIZE = 6
_SEED = 4


class Decoder(torch.nn.Module):
    """A cell that reads one letter in each call."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = torch.nn.GRUCell(len(LETTERS), HIDDEN_SIZE)
        self.forgets = False

    def forward(self, letters: torch.Tensor) -> torch.Tensor:
        """Read letters (T, N, I) one by one; returns the last hidden state (N, H)."""
        h = torch.zeros(letters.shape[1], HIDDEN_SIZE)
        for letter in letters:
            found = self.cell(letter, h)
            if not self.forgets:
                h = found
        return found


def write(folder: Path) -> None:
    """Run the decoder with and without its bug, and write the archive of each capture into a folder."""
    torch.manual_seed(_SEED)
    model = Decoder()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(-1.5, 1.5)
    letters = torch.nn.functional.one_hot(torch.tensor([LETTERS.index(c) for c in WORD])).float()[:, None]
    for name, model.forgets in (("decoder", False), ("forgetful", True)):
        with torch.no_grad(), capture(model) as captured:
            model(letters)
        path = folder / f"{name}.rnnviz"
        captured[0].save(path)
        with ZipFile(path) as session, session.open("files/0/cell.npz") as archive:
            (folder / f"captured-{name}.npz").write_bytes(archive.read())
        path.unlink()


if __name__ == "__main__":
    write(LESSONS)
