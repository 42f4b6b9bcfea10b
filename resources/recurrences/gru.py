"""r, z = sigmoid(a + b);  n = tanh(a_n + r · b_n);  h = (1 - z) · n + z · h'

with a = W_i2h x + b_i2h and b = W_h2h h' + b_h2h, whose rows are the gates r, z, n.

rnnviz calls step once for every timestep of every layer and direction, and shows where it differs from Gluon.
Save this file, and the run is repeated.

x      (N, I)  the layer's input at this timestep: the sequence, or the layer below
state  (h,)    h (N, H), the hidden vector of the step before
p              p.i2h_weight (3·H, I), p.h2h_weight (3·H, H), p.i2h_bias (3·H,), p.h2h_bias (3·H,)

Return the new state as a tuple: (h,).
"""

import numpy as np


def sigmoid(a):
    return (1 + np.tanh(a / 2)) / 2


def step(x, state, p):
    (h,) = state
    a_r, a_z, a_n = np.split(x @ p.i2h_weight.T + p.i2h_bias, 3, axis=1)
    b_r, b_z, b_n = np.split(h @ p.h2h_weight.T + p.h2h_bias, 3, axis=1)
    r, z = sigmoid(a_r + b_r), sigmoid(a_z + b_z)
    n = np.tanh(a_n + r * b_n)
    return ((1 - z) * n + z * h,)
