"""Write the files next to this one, with Keras 3: python write.py FOLDER.

Each model holds one cell four times, in one direction and in both, as one layer and as three, among other layers. Its
`.npz` has what the model reads and what each of the four puts out.
"""

import sys
from pathlib import Path

import keras
import numpy as np
from keras import layers

CELLS = {
    "rnn_tanh": lambda **o: layers.SimpleRNN(3, **o),
    "rnn_relu": lambda **o: layers.SimpleRNN(3, activation="relu", **o),
    "lstm": lambda **o: layers.LSTM(3, **o),
    "gru": lambda **o: layers.GRU(3, **o),
}


def network(cell, both, count, name):
    """Layers of a cell on each other, with what does nothing but in training between them."""
    found = []
    for number in range(count):
        own = f"{name}_{number}"
        if both:
            found.append(layers.Bidirectional(CELLS[cell](return_sequences=True), name=own))
        else:
            found.append(CELLS[cell](return_sequences=True, name=own))
        found.append(layers.Dropout(0.5))
    return found


def write(cell, folder):
    given = keras.Input((None, 2), name="given")
    outputs = []
    for both in (False, True):
        for count in (1, 3):
            name = f"{'bi' if both else 'uni'}{count}"
            x = given
            for layer in network(cell, both, count, name):
                x = layer(x)
            outputs.append(x)
    # A stack of three in a separate model.
    inner = keras.Sequential([keras.Input((None, 3)), *network(cell, False, 2, "inner")], name="nested")
    model = keras.Model(given, [*outputs, inner(outputs[0])])
    rng = np.random.default_rng(7)
    model.set_weights([rng.normal(scale=0.5, size=weight.shape) for weight in model.get_weights()])
    x = rng.normal(size=(2, 5, 2)).astype(np.float32)
    names = ("uni1", "uni3", "bi1", "bi3")
    computed = dict(zip(names, (keras.ops.convert_to_numpy(y) for y in model(x)[:4]), strict=True))
    np.savez_compressed(folder / f"{cell}.npz", x=x, **computed)
    model.save(folder / f"{cell}.keras")
    model.save(folder / f"{cell}.h5")
    model.save_weights(folder / f"{cell}.weights.h5")


if __name__ == "__main__":
    for chosen in CELLS:
        write(chosen, Path(sys.argv[1]))
