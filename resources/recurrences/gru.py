"""r, z = sigmoid(u + v);  n = tanh(u_n + r · v_n);  h = (1 - z) · n + z · h[t-1]

with the input part u = W_i2h x + b_i2h and the recurrent part v = W_h2h h[t-1] + b_h2h; gate rows r, z, n.

rnnviz calls step once per time step of every layer and direction, and compares the results with the reference.
It runs again each time you save this file.

x      (N, I)  input of this layer at this time step: the sequence, or the output of the layer below
state  (h,)    h (N, H), the previous hidden state
p              p.i2h_weight (3·H, I), p.h2h_weight (3·H, H), p.i2h_bias (3·H,), p.h2h_bias (3·H,)

Return the new state as a tuple: (h,).
"""

import numpy as np


def sigmoid(s):
    return (1 + np.tanh(s / 2)) / 2


def step(x, state, p):
    (h,) = state
    u_r, u_z, u_n = np.split(x @ p.i2h_weight.T + p.i2h_bias, 3, axis=1)
    v_r, v_z, v_n = np.split(h @ p.h2h_weight.T + p.h2h_bias, 3, axis=1)
    r, z = sigmoid(u_r + v_r), sigmoid(u_z + v_z)
    n = np.tanh(u_n + r * v_n)
    return ((1 - z) * n + z * h,)
