"""h = relu(W_i2h x + b_i2h + W_h2h h' + b_h2h)

rnnviz calls step once for every timestep of every layer and direction, and shows where it differs from Gluon.
Save this file, and the run is repeated.

x      (N, I)  the layer's input at this timestep: the sequence, or the layer below
state  (h,)    h (N, H), the hidden vector of the step before
p              p.i2h_weight (H, I), p.h2h_weight (H, H), p.i2h_bias (H,), p.h2h_bias (H,)

Return the new state as a tuple: (h,).
"""

import numpy as np


def step(x, state, p):
    (h,) = state
    a = x @ p.i2h_weight.T + p.i2h_bias
    b = h @ p.h2h_weight.T + p.h2h_bias
    return (np.maximum(a + b, 0),)
