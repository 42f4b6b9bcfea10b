"""i, f, o = sigmoid(a + b);  g = tanh(a + b);  c = f · c' + i · g;  h = o · tanh(c)

with a = W_i2h x + b_i2h and b = W_h2h h' + b_h2h, whose rows are the gates i, f, g, o.

rnnviz calls step once for every timestep of every layer and direction, and shows where it differs from Gluon.
Save this file, and the run is repeated.

x      (N, I)  the layer's input at this timestep: the sequence, or the layer below
state  (h, c)  each (N, H), the hidden vector and the cell state of the step before
p              p.i2h_weight (4·H, I), p.h2h_weight (4·H, H), p.i2h_bias (4·H,), p.h2h_bias (4·H,)

Return the new state as a tuple: (h, c).
"""

import numpy as np


def sigmoid(a):
    return (1 + np.tanh(a / 2)) / 2


def step(x, state, p):
    h, c = state
    a = x @ p.i2h_weight.T + p.i2h_bias
    b = h @ p.h2h_weight.T + p.h2h_bias
    i, f, g, o = np.split(a + b, 4, axis=1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return h, c
