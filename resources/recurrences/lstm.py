"""i, f, o = sigmoid(u + v);  g = tanh(u + v);  c = f · c[t-1] + i · g;  h = o · tanh(c)

with the input part u = W_i2h x + b_i2h and the recurrent part v = W_h2h h[t-1] + b_h2h; gate rows i, f, g, o.

rnnviz calls step once per time step of every layer and direction, and compares the results with the reference.
It runs again each time you save this file.

x      (N, I)  input of this layer at this time step: the sequence, or the output of the layer below
state  (h, c)  each (N, H), the previous hidden state and cell state
p              p.i2h_weight (4·H, I), p.h2h_weight (4·H, H), p.i2h_bias (4·H,), p.h2h_bias (4·H,)

Return the new state as a tuple: (h, c).
"""

import numpy as np


def sigmoid(s):
    return (1 + np.tanh(s / 2)) / 2


def step(x, state, p):
    h, c = state
    u = x @ p.i2h_weight.T + p.i2h_bias
    v = h @ p.h2h_weight.T + p.h2h_bias
    i, f, g, o = np.split(u + v, 4, axis=1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return h, c
