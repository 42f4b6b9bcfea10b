// An LSTM in C++, as a program with its own loop: c++ -std=c++17 -O2 lstm.cpp -o lstm
#include "rnnport.h"
#include <cmath>
#include <vector>

namespace {
using Numbers = std::vector<float>;

float sigmoid(float a) { return 1.0f / (1.0f + std::exp(-a)); }

void add_product(Numbers &sums, const float *weight, const Numbers &x) {
    for (std::size_t row = 0; row < sums.size(); row++)
        for (std::size_t k = 0; k < x.size(); k++) sums[row] += weight[row * x.size() + k] * x[k];
}
} // namespace

int main(int argc, char **argv) {
    rnnport port;
    rnnport_open(&port, argc, argv);
    if (strcmp(port.cell, "lstm") != 0 || port.P != 0) rnnport_stop(RNNPORT_SKIP, "this program computes an lstm");
    const auto H = static_cast<std::size_t>(port.H);
    for (int l = 0; l < port.L; l++)
        for (int d = 0; d < port.D; d++) {
            const int inputs = rnnport_layer_inputs(&port, l);
            const float *W = rnnport_weight(&port, "weight_ih", l, d, 4 * port.H, inputs);
            const float *R = rnnport_weight(&port, "weight_hh", l, d, 4 * port.H, port.H);
            const float *b = rnnport_weight(&port, "bias_ih", l, d, 4 * port.H, 1);
            const float *e = rnnport_weight(&port, "bias_hh", l, d, 4 * port.H, 1);
            for (int n = 0; n < port.N; n++) {
                const float *start = rnnport_h0(&port, l, d, n), *start_c = rnnport_c0(&port, l, d, n);
                Numbers h(start, start + H), c(start_c, start_c + H), x(static_cast<std::size_t>(inputs));
                const int length = rnnport_length(&port, n), backward = d || port.reverse;
                for (int s = 0; s < length; s++) {
                    const int t = backward ? length - 1 - s : s;
                    for (int k = 0; k < inputs; k++)
                        x[static_cast<std::size_t>(k)] =
                            l == 0 ? port.x[(t * port.N + n) * inputs + k]
                                   : rnnport_at(&port, "h", port.H, l - 1, k / port.H, t, n)[k % port.H];
                    Numbers a(b, b + 4 * H);
                    for (std::size_t k = 0; k < 4 * H; k++) a[k] += e[k];
                    add_product(a, W, x);
                    add_product(a, R, h);
                    for (std::size_t j = 0; j < H; j++) {
                        c[j] = sigmoid(a[H + j]) * c[j] + sigmoid(a[j]) * std::tanh(a[2 * H + j]);
                        h[j] = sigmoid(a[3 * H + j]) * std::tanh(c[j]);
                    }
                    rnnport_put(&port, "h", port.H, l, d, t, n, h.data());
                    rnnport_put(&port, "c", port.H, l, d, t, n, c.data());
                }
            }
        }
    return rnnport_close(&port);
}
