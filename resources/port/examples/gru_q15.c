/* A GRU in fixed point: weights, inputs and states have 12 fraction bits in 16 bits, sums 32 bits; the activations are
 * computed in float. cc -O2 -DRNNPORT_MAIN gru_q15.c -lm -o gru_q15 */
#include "rnnport.h"
#include <math.h>

enum { LARGEST = 256, BITS = 12 };

static int16_t fixed(float a) {
    const float scaled = roundf(a * (1 << BITS));
    return (int16_t)(scaled > 32767.0f ? 32767.0f : scaled < -32768.0f ? -32768.0f : scaled);
}
static float real(int32_t a) { return (float)a / (1 << BITS); }
static float sigmoid(float a) { return 1.0f / (1.0f + expf(-a)); }

static int32_t sum(const float *weight, const float *bias, const int16_t *x, int row, int columns) {
    int64_t a = 0;
    for (int k = 0; k < columns; k++) a += (int32_t)fixed(weight[row * columns + k]) * x[k];
    return (int32_t)(a >> BITS) + fixed(bias[row]);
}

int rnnport_step(const rnnport_net *net, int32_t layer, int32_t direction, const float *x, float *h, float *c, float *gates) {
    const int H = net->H, I = layer == 0 ? net->I : net->D * H;
    const float *W = rnnport_find(net, "weight_ih", layer, direction), *b = rnnport_find(net, "bias_ih", layer, direction);
    const float *R = rnnport_find(net, "weight_hh", layer, direction), *e = rnnport_find(net, "bias_hh", layer, direction);
    int16_t qx[2 * LARGEST], qh[LARGEST];
    (void)c, (void)gates;
    if (strcmp(net->cell, "gru") != 0 || H > LARGEST || I > 2 * LARGEST) return RNNPORT_SKIP;
    for (int k = 0; k < I; k++) qx[k] = fixed(x[k]);
    for (int k = 0; k < H; k++) qh[k] = fixed(h[k]);
    for (int j = 0; j < H; j++) {
        const float r = sigmoid(real(sum(W, b, qx, j, I) + sum(R, e, qh, j, H)));
        const float z = sigmoid(real(sum(W, b, qx, H + j, I) + sum(R, e, qh, H + j, H)));
        const float n = tanhf(real(sum(W, b, qx, 2 * H + j, I)) + r * real(sum(R, e, qh, 2 * H + j, H)));
        h[j] = real(fixed((1.0f - z) * n + z * real(qh[j])));
    }
    return 0;
}
