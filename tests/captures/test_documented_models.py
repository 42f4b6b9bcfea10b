"""Models in the style of PyTorch's tutorials and examples: each capture opens, agrees, and explains its values."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rnnviz.captures.rnn_capture import Capture, capture
from tests.captures.saved import assert_explained

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional
rnn = nn.utils.rnn


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(12, 8)
        self.gru = nn.GRU(8, 8, batch_first=True)

    def forward(self, source: Any) -> Any:
        return self.gru(self.embedding(source))


class Decoder(nn.Module):
    """Additive attention over the encoder, and a GRU that is called for one word at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(12, 8)
        self.query, self.keys, self.score = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 1)
        self.gru = nn.GRU(16, 8, batch_first=True)
        self.out = nn.Linear(8, 12)

    def forward(self, outputs: Any, hidden: Any, steps: int) -> Any:
        word = torch.zeros(outputs.shape[0], 1, dtype=torch.long)
        words = []
        for _ in range(steps):
            scores = self.score(torch.tanh(self.query(hidden.permute(1, 0, 2)) + self.keys(outputs)))
            context = torch.bmm(F.softmax(scores.transpose(1, 2), dim=-1), outputs)
            output, hidden = self.gru(torch.cat((self.embedding(word), context), dim=2), hidden)
            word = self.out(output).argmax(-1).detach()
            words.append(word)
        return torch.cat(words, dim=1)


class Translation(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(), Decoder()

    def forward(self, source: Any) -> Any:
        outputs, hidden = self.encoder(source)
        return self.decoder(outputs, hidden, 6)


class Waves(nn.Module):
    """Predicting sine waves in float64 with two LSTMCells, which read their own output after the end."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm1, self.lstm2, self.linear = nn.LSTMCell(1, 11), nn.LSTMCell(11, 11), nn.Linear(11, 1)

    def forward(self, wave: Any) -> Any:
        zeros = torch.zeros(wave.size(0), 11, dtype=torch.double)
        one, two, found = (zeros, zeros), (zeros, zeros), []
        for step in [*wave.split(1, dim=1), None, None]:
            one = self.lstm1(found[-1] if step is None else step, one)
            two = self.lstm2(one[0], two)
            found.append(self.linear(two[0]))
        return torch.cat(found, dim=1)


class Sentiment(nn.Module):
    """Sentences of different lengths, packed, through a bidirectional LSTM of two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(15, 5, padding_idx=0)
        self.lstm = nn.LSTM(5, 6, 2, bidirectional=True, batch_first=True)
        self.fc = nn.Linear(12, 1)

    def forward(self, text: Any, lengths: Any) -> Any:
        packed = rnn.pack_padded_sequence(self.embedding(text), lengths, batch_first=True, enforce_sorted=False)
        _, (hidden, _) = self.lstm(packed)
        return self.fc(torch.cat((hidden[-2], hidden[-1]), dim=1))


def words(*shape: int, below: int) -> Any:
    return torch.randint(1, below, shape)


MODELS: dict[str, tuple[Callable[[], Any], Callable[[], tuple[Any, ...]]]] = {
    "translation": (Translation, lambda: (words(3, 8, below=12),)),
    "waves": (
        lambda: Waves().double(),
        lambda: (torch.sin(torch.arange(40).reshape(2, 20).double() / math.pi),),
    ),
    "sentiment": (Sentiment, lambda: (words(4, 9, below=15), torch.tensor([9, 2, 5, 7]))),
}
SEQUENCES = {"translation": 2, "waves": 2}


def captured(name: str) -> Capture:
    torch.manual_seed(5)
    make, given = MODELS[name]
    model, inputs = make(), given()
    with torch.no_grad():
        expected = model(*inputs)
        with capture(model) as found:
            assert torch.equal(model(*inputs), expected)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_captures_of_documented_models_open_agree_and_explain(name: str, tmp_path: Path) -> None:
    found = captured(name)
    assert len(found) == SEQUENCES.get(name, 1)
    assert not found.skipped
    assert_explained(found, tmp_path)
