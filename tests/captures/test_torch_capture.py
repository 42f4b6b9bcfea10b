"""Recurrent layers of PyTorch models, recorded while they run."""

import pytest

from rnnviz.captures.rnn_capture import capture

torch = pytest.importorskip("torch")


class Model(torch.nn.Module):
    """An encoder of two layers in both directions, and a decoder that is called one step at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = torch.nn.LSTM(4, 6, 2, batch_first=True, bidirectional=True)
        self.decoder = torch.nn.GRUCell(12, 5)

    def forward(self, x):
        y, _ = self.encoder(x)
        h = None
        for t in range(y.shape[1]):
            h = self.decoder(y[:, t], h)
        return h


def test_layers_are_recorded_at_any_depth_and_results_stay_the_same():
    model, x = Model(), torch.randn(3, 7, 4)
    expected = model(x)
    with capture(model) as captured:
        found = model(x)
    assert torch.equal(found, expected)
    assert [sequence.name for sequence in captured] == ["encoder", "decoder"]
    encoder, decoder = captured
    assert encoder.x.shape == (7, 3, 4)
    assert encoder.hidden.shape == (2, 2, 7, 3, 6)
    assert decoder.carried
    assert decoder.seams == tuple(range(1, 7))
    assert (decoder.hidden[0, 0, -1] == expected.detach().numpy()).all()
    assert not model.encoder._forward_hooks
