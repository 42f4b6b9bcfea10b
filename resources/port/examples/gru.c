/* A GRU in float32 as one step. A program: cc -O2 -DRNNPORT_MAIN gru.c -lm -o gru. A library: cc -O2 -shared -fPIC gru.c -lm -o gru.so */
#define RNNPORT_GATES "rzn"
#include "rnnport.h"
#include <math.h>

enum { LARGEST = 256 };

static float sigmoid(float a) { return 1.0f / (1.0f + expf(-a)); }

/* bias[row] + the row's weights · x */
static float sum(const float *weight, const float *bias, const float *x, int row, int columns) {
    float a = bias[row];
    for (int k = 0; k < columns; k++) a += weight[row * columns + k] * x[k];
    return a;
}

int rnnport_step(const rnnport_net *net, int32_t layer, int32_t direction, const float *x, float *h, float *c, float *gates) {
    const int H = net->H, I = layer == 0 ? net->I : net->D * H;
    const float *W = rnnport_find(net, "weight_ih", layer, direction), *b = rnnport_find(net, "bias_ih", layer, direction);
    const float *R = rnnport_find(net, "weight_hh", layer, direction), *e = rnnport_find(net, "bias_hh", layer, direction);
    float next[LARGEST];
    (void)c; /* a GRU has no c */
    if (strcmp(net->cell, "gru") != 0 || H > LARGEST) return RNNPORT_SKIP;
    for (int j = 0; j < H; j++) {
        const float r = sigmoid(sum(W, b, x, j, I) + sum(R, e, h, j, H));
        const float z = sigmoid(sum(W, b, x, H + j, I) + sum(R, e, h, H + j, H));
        const float n = tanhf(sum(W, b, x, 2 * H + j, I) + r * sum(R, e, h, 2 * H + j, H));
        next[j] = (1.0f - z) * n + z * h[j];
        gates[j] = r, gates[H + j] = z, gates[2 * H + j] = n;
    }
    memcpy(h, next, (size_t)H * sizeof *h);
    return 0;
}
