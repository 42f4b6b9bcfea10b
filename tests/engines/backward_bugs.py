"""Users' backward passes of whole networks, written by hand in NumPy, and the known bugs in them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.inputs import Inputs
from tests.cases import cases
from tests.engines.seeded_bugs import CASES

Array = NDArray[Any]
Slope = Callable[[Array, Array], Array]

WAYS = cases(__file__)["ways"]
"""The ways in which each bug is written here; the first one is "" and is that of the engine."""


def logistic(a: Array) -> Array:
    return 1 / (1 + np.exp(-a))


SLOPES: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "sigmoid": (logistic, lambda y: y * (1 - y)),
    "tanh": (np.tanh, lambda y: 1 - y * y),
    "relu": (lambda a: np.maximum(a, 0), lambda y: (y > 0).astype(y.dtype)),
}
"""By name a function, and its derivative from its value."""


@dataclass
class Layer:
    """One direction of one layer: it always goes forward, on a sequence that the caller reverses."""

    cell: str
    p: Mapping[str, Array]
    lengths: Array
    cuts: Array
    bug: str = ""
    way: str = ""

    def has(self, bug: str, *ways: str) -> bool:
        return self.bug == bug and (not ways or self.way in ways)

    def slope(self, name: str, pre: Array, part: Array, *, candidate: bool) -> Array:
        """The derivative at the pre-activation `pre`, of which `part` is the input part."""
        function, from_value = SLOPES[name]
        if not self.has("derivative-at-wrong-pre-activation") or (self.way == "candidate" and not candidate):
            return from_value(function(pre))
        if self.way == "formula":
            return from_value(pre)
        return from_value(function(part if self.way == "input" else function(pre)))

    def forward(self, x: Array, h: Array, c: Array | None) -> None:
        self.x, self.steps = x, []
        self.hidden = np.zeros((len(x), *h.shape), h.dtype)
        size = h.shape[1]
        for t in range(len(x)):
            u = x[t] @ self.p["i2h_weight"].T + self.p["i2h_bias"]
            v = h @ self.p["h2h_weight"].T + self.p["h2h_bias"]
            before, cell_before = h, c
            if self.cell == "lstm":
                i, f, g, o = np.split(u + v, 4, axis=1)
                assert c is not None
                c = logistic(f) * c + logistic(i) * np.tanh(g)
                h = logistic(o) * np.tanh(c)
            elif self.cell == "gru":
                r, z = logistic(u + v)[:, : 2 * size].reshape(-1, 2, size).swapaxes(0, 1)
                n = np.tanh(u[:, 2 * size :] + r * v[:, 2 * size :])
                h = n + z * (h - n)
            else:
                h = SLOPES[self.cell.removeprefix("rnn_")][0](u + v)
            self.steps.append((u, v, before, cell_before, c))
            self.hidden[t] = h

    def step(self, t: int, dh: Array, dc: Array) -> tuple[Array, Array, Array, Array, Array]:
        """The gradients of u and v, of h and c before the step as far as it reads them itself, and of c."""
        u, v, h, c, new = self.steps[t]
        size = h.shape[1]
        us, vs = (np.split(part, u.shape[1] // size, axis=1) for part in (u, v))
        pre = [a + b for a, b in zip(us, vs, strict=True)]
        if self.cell == "lstm":
            assert c is not None
            assert new is not None
            i, f, o = (logistic(pre[k]) for k in (0, 1, 3))
            g = np.tanh(pre[2])
            squashed = self.has("derivative-at-wrong-pre-activation") and self.way in ("", "formula")
            dc = dc + dh * o * (self.slope("tanh", new, new, candidate=False) if squashed else 1 - np.tanh(new) ** 2)
            terms = dc * g, dc * c, dc * i, dh * np.tanh(new)
            names = "sigmoid", "sigmoid", "tanh", "sigmoid"
            du = np.hstack(
                [
                    term * self.slope(name, pre[k], us[k], candidate=name == "tanh")
                    for k, (term, name) in enumerate(zip(terms, names, strict=True))
                ]
            )
            return du, du, np.zeros_like(h), dc * f, dc
        if self.cell == "gru":
            r, z = logistic(pre[0]), logistic(pre[1])
            inner = us[2] + r * vs[2]
            n = np.tanh(inner)
            dn = dh * (1 - z) * self.slope("tanh", inner, us[2], candidate=True)
            dz = dh * (h - n) * self.slope("sigmoid", pre[1], us[1], candidate=False)
            dr = dn * vs[2] * self.slope("sigmoid", pre[0], us[0], candidate=False)
            if self.has("reset-gate-gradient-missing", ""):
                dr = dr * 0
            unscaled = self.has("reset-gate-gradient-missing", "not scaled")
            du, dv = np.hstack([dr, dz, dn]), np.hstack([dr, dz, dn if unscaled else dn * r])
            return du, dv, dh * z, np.zeros_like(h), dc
        du = dh * self.slope(self.cell.removeprefix("rnn_"), u + v, u, candidate=True)
        return du, du, np.zeros_like(h), np.zeros_like(h), dc

    def backward(self, d_out: Array, d_h: Array, d_c: Array, *, top: bool) -> dict[str, Array]:
        """All gradients of the layer, from those of its output (T, N, H) and of its final states (N, H)."""
        timesteps, _, size = d_out.shape
        found = {name: np.zeros_like(array) for name, array in self.p.items()}
        gates = "ifgo" if self.cell == "lstm" else "rzn" if self.cell == "gru" else ""
        found |= {name: np.zeros_like(d_out) for name in ("h", "c", *gates)}
        found["x"] = np.zeros_like(self.x)
        next_h, next_c = np.zeros_like(d_h), np.zeros_like(d_h)
        loses = self.has("direct-output-gradient-dropped") and (top or self.way != "in the top layer")
        for t in reversed(range(timesteps)):
            inside, last = (t < self.lengths)[:, None], (t == self.lengths - 1)[:, None]
            next_h = np.where(last, d_h, next_h)
            next_c = np.where(last, 0 if self.has("cell-gradient-dropped", "not read at all") else d_c, next_c)
            direct = np.where(last if self.way != "none" else False, d_out[t], 0) if loses else d_out[t]
            dh = np.where(inside, direct + next_h, 0)
            du, dv, own, next_c, dc = self.step(t, dh, np.where(inside, next_c, 0))
            found["h"][t], found["c"][t] = dh, dc
            for k, gate in enumerate(gates):
                found[gate][t] = du[:, k * size : (k + 1) * size]
            found["x"][t] = du @ self.p["i2h_weight"]
            passed = dv.copy()
            if self.has("reset-gate-gradient-missing", "not passed"):
                passed[:, :size] = 0
            next_h = own + passed @ self.p["h2h_weight"]
            terms = {
                "i2h_weight": du.T @ self.x[t],
                "i2h_bias": du.sum(axis=0),
                "h2h_weight": dv.T @ self.steps[t][2],
                "h2h_bias": dv.sum(axis=0),
            }
            for name, term in terms.items():
                kept = {"weights": "weight", "recurrent": "h2h_weight"}.get(self.way, "")
                if self.has("weight-gradient-not-summed-over-time") and name.endswith(kept):
                    found[name] = term
                else:
                    found[name] += term
            keeps_first = t == 0 and self.way != "before the first step, too"
            if self.has("truncated-at-one-step") and not keeps_first:
                next_h = next_h * 0
                next_c = next_c * 0
            next_h, next_c = (np.where(self.cuts[t][:, None], 0, d) for d in (next_h, next_c))
            if self.has("cell-gradient-dropped") and t:
                next_c = next_c * 0
        for name in ("i2h_bias", "h2h_bias"):
            if self.has("forward-bias-used-twice") and name.startswith(self.way):
                found[name] = 2 * found[name]
        drops = self.has("initial-state-gradient-missing")
        found["h0"] = next_h * (not drops)
        found["c0"] = next_c * (not (drops and self.way == ""))
        return found


def users_gradients(inputs: Inputs, bug: str = "", way: str = "") -> dict[str, Array]:
    """The gradients of a user's code by their names in a trace."""
    network, loss = inputs.network, inputs.loss
    assert loss is not None
    timesteps, samples = inputs.timesteps, inputs.batch_size
    lengths = np.array([inputs.length(n) for n in range(samples)])
    times = np.arange(timesteps)[:, None]
    turned = np.where(times < lengths, lengths - 1 - times, times)
    turns_output = bug != "backward-direction-not-reversed-in-gradient" or way == "input"
    turns_input = bug != "backward-direction-not-reversed-in-gradient" or way == ""

    def turn(array: Array, yes: bool = True) -> Array:
        return np.ascontiguousarray(array[turned, np.arange(samples)]) if yes else array

    layers: list[list[Layer]] = []
    below, states = inputs.sequence, inputs.initial_state
    for k in range(network.num_layers):
        lanes, outputs = [], []
        for d in range(network.directions):
            row, reverse = k * network.directions + d, network.backward(d)
            # Truncation cuts before the time steps that are multiples of it, in the order of the input.
            later = np.where(reverse, lengths - times, times)
            cuts = (later % (loss.truncate or timesteps) == 0) & (times > 0) & (later < lengths)
            lane = Layer(network.cell, vars(inputs.parameters.layer(k, d)), lengths, cuts, bug, way)
            lane.forward(turn(below, reverse), states["h"][row], states["c"][row] if "c" in states else None)
            lane.hidden[times >= lengths] = 0
            lanes.append(lane)
            outputs.append(turn(lane.hidden, reverse))
        below = np.concatenate(outputs, axis=-1)
        layers.append(lanes)
    size, found = network.hidden_size, dict[str, Any]()
    d_below = np.zeros_like(below)
    for k in reversed(range(network.num_layers)):
        d_above, d_below = d_below, np.zeros_like(layers[k][0].x)
        for d, lane in enumerate(layers[k]):
            row, reverse = k * network.directions + d, network.backward(d)
            d_out = np.array(d_above[..., d * size : (d + 1) * size])
            own = loss.direct(network, k, d, range(timesteps), samples)
            d_out = d_out + own if own is not None else d_out
            d_c = loss.state["c"][row] if "c" in loss.state else np.zeros_like(loss.state["h"][row])
            of_lane = lane.backward(
                turn(d_out, reverse and turns_output), loss.state["h"][row], d_c, top=k == network.num_layers - 1
            )
            d_below += turn(of_lane.pop("x"), reverse and turns_input)
            for name, array in of_lane.items():
                if name in lane.p:
                    found[f"grad.parameters.{'lr'[d]}{k}_{name}"] = array
                elif name in ("h0", "c0"):
                    found.setdefault(f"grad.{name}", {})[row] = array
                else:
                    found.setdefault(f"grad.{name}", {})[k, d] = turn(array, reverse)
    grid = network.num_layers, network.directions
    for name, parts in found.items():
        if isinstance(parts, dict):
            array = np.stack([parts[key] for key in sorted(parts)])
            found[name] = array if name in ("grad.h0", "grad.c0") else array.reshape(*grid, *array.shape[1:])
    if network.cell != "lstm":
        del found["grad.c"], found["grad.c0"]
    return {**found, "grad.input": d_below}


STEP_CHANGES = CASES["backward"]
"""By cell and bug, ways to make it in the `backward` of a new custom step: what is replaced, and by what."""
