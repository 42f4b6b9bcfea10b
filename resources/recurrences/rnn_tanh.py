"""h = tanh(u + v)

with the input part u = W_i2h x + b_i2h and the recurrent part v = W_h2h h[t-1] + b_h2h.

rnnviz calls step once per time step of every layer and direction, and compares the results with the reference.
It runs again each time you save this file.

x      (N, I)  input of this layer at this time step: the sequence, or the output of the layer below
state  (h,)    h (N, H), the previous hidden state
p              p.i2h_weight (H, I), p.h2h_weight (H, H), p.i2h_bias (H,), p.h2h_bias (H,)

Return the new state as a tuple: (h,).
"""

import numpy as np


def step(x, state, p):
    (h,) = state
    u = x @ p.i2h_weight.T + p.i2h_bias
    v = h @ p.h2h_weight.T + p.h2h_bias
    return (np.tanh(u + v),)
