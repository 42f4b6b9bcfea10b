"""A port of a GRU in plain loops: reads IN, writes OUT. A second argument before them names what it does wrong."""

import math
import struct
import sys
from pathlib import Path

wrong, folder, out = sys.argv[1], Path(sys.argv[-2]), Path(sys.argv[-1])
sizes = dict(line.split() for line in (folder / "sizes.txt").read_text().splitlines())
T, N, inputs_of_net, H, L, D = (int(sizes[key]) for key in "TNIHLD")
letter = "d" if sizes["dtype"] == "float64" else "f"
if sizes["cell"] != "gru" or (wrong == "three-units" and H != 3):
    print("this port computes other sizes", file=sys.stderr)
    sys.exit(77)


def read(name):
    content = (folder / f"{name}.bin").read_bytes()
    return struct.unpack(f"<{len(content) // struct.calcsize(letter)}{letter}", content)


def write(name, values):
    (out / f"{name}.bin").write_bytes(struct.pack(f"<{len(values)}{letter}", *values))


x, h0 = read("input"), read("h0")
lengths = [T] * N
if (folder / "lengths.bin").exists():
    lengths = struct.unpack(f"<{N}i", (folder / "lengths.bin").read_bytes())
hidden = {}


def sigmoid(a):
    return 1 / (1 + math.exp(-a))


for layer in range(L):
    inputs = inputs_of_net if layer == 0 else D * H
    for d in range(D):
        name = f"_l{layer}{'_reverse' if d else ''}"
        W, R, b, e = (read(f"weights/{kind}{name}") for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        if wrong == "no-bias" and layer == L - 1:
            e = [0.0 if row >= 2 * H else value for row, value in enumerate(e)]
        for n in range(N):
            h = h0[((layer * D + d) * N + n) * H :][:H]
            for s in range(lengths[n]):
                t = lengths[n] - 1 - s if d else s
                below = (
                    [hidden[layer - 1, k, t, n] for k in range(D)]
                    if layer
                    else [x[(t * N + n) * inputs_of_net :][:inputs_of_net]]
                )
                read_now = [value for part in below for value in part]
                u = [b[k] + sum(W[k * inputs + j] * read_now[j] for j in range(inputs)) for k in range(3 * H)]
                v = [e[k] + sum(R[k * H + j] * h[j] for j in range(H)) for k in range(3 * H)]
                if wrong == "late" and s == 2:
                    h = [0.0] * H
                r, z = ([sigmoid(u[g * H + j] + v[g * H + j]) for j in range(H)] for g in (0, 1))
                new = [math.tanh(u[2 * H + j] + r[j] * v[2 * H + j]) for j in range(H)]
                h = [(1 - z[j]) * new[j] + z[j] * h[j] for j in range(H)]
                hidden[layer, d, t, n] = h
places = [(layer, d, t, n) for layer in range(L) for d in range(D) for t in range(T) for n in range(N)]
write("h", [value for place in places for value in hidden.get(place, [0.0] * H)])
if wrong == "with-output":
    write(
        "out",
        [v for t in range(T) for n in range(N) for d in range(D) for v in hidden.get((L - 1, d, t, n), [0.0] * H)],
    )
if wrong == "half":
    write("h", [0.0] * (len(places) * H // 2))
if wrong == "unknown":
    write("hiden", [0.0])
