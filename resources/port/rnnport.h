/* rnnport.h: check your code of a recurrent network with `rnnviz port MODEL --run "./port"`. C99 and C++11, one file.
 *
 * A step:     write rnnport_step (declared near the end) and define RNNPORT_MAIN before the include: that makes a program.
 *             Without RNNPORT_MAIN, a shared library exports rnnport_step for the engine lib:FILE.
 * A program:  main() calls rnnport_open (reads IN), computes, records values, and returns rnnport_close (writes OUT).
 *
 * Arrays are row-major. Define RNNPORT_REAL as double before including for a port in float64; files are converted. */
#ifndef RNNPORT_H
#define RNNPORT_H
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifndef RNNPORT_REAL
#define RNNPORT_REAL float
#endif
#if defined(__GNUC__)
#define RNNPORT_MAYBE_UNUSED __attribute__((unused))
#define RNNPORT_PRINTF(a, b) __attribute__((format(printf, a, b)))
#else
#define RNNPORT_MAYBE_UNUSED
#define RNNPORT_PRINTF(a, b)
#endif
#define RNNPORT_FN static RNNPORT_MAYBE_UNUSED
#define RNNPORT_PROTOCOL 1
#define RNNPORT_SKIP 77 /* exit code: "I cannot run these sizes"; shrinking then tries others. Automake uses the same */
#ifdef __cplusplus
extern "C" {
#endif
typedef RNNPORT_REAL rnnport_real;
typedef struct rnnport_block { struct rnnport_block *next; double align; } rnnport_block;
typedef struct rnnport_series { struct rnnport_series *next; char name[32]; int units; rnnport_real *data; } rnnport_series;
typedef struct rnnport {
    int protocol, T, N, I, H, P, L, D;    /* time steps, samples, features, units, projection (0: none), layers, directions */
    int reverse;                          /* D = 1 only: the one direction reads from the end */
    int units;                            /* of h: P with a projection, else H */
    char cell[32], dtype[16];             /* "gru", "lstm", ...; "float32" or "float64" */
    const rnnport_real *x, *h0, *c0;      /* (T, N, I); (L*D, N, units); (L*D, N, H), NULL without c */
    const int32_t *lengths;               /* (N), or NULL: every sample has T steps */
    const char *in, *out;                 /* the two folders */
    rnnport_block *blocks;
    rnnport_series *series;
    char notes[512];                      /* lines of OUT/port.txt */
} rnnport;

/* One sentence on standard error, then exit: code 1 is a failure of the port, RNNPORT_SKIP is "not for these sizes". */
RNNPORT_PRINTF(2, 3)
RNNPORT_FN void rnnport_stop(int code, const char *format, ...) {
    va_list a;
    va_start(a, format);
    fputs("rnnport: ", stderr);
    vfprintf(stderr, format, a);
    fputc('\n', stderr);
    va_end(a), exit(code);
}
RNNPORT_FN void *rnnport_alloc(rnnport *p, size_t bytes) { /* zeroed; freed by rnnport_close */
    rnnport_block *b = (rnnport_block *)calloc(1, sizeof *b + bytes);
    if (b == NULL) rnnport_stop(1, "no memory for %lu bytes", (unsigned long)bytes);
    b->next = p->blocks, p->blocks = b;
    return b + 1;
}
RNNPORT_FN int rnnport_big_endian(void) { const uint16_t one = 1; return *(const unsigned char *)&one == 0; }
RNNPORT_FN void rnnport_swap(unsigned char *bytes, size_t count, size_t size) { /* only where the processor is big-endian */
    for (; count > 0; count--, bytes += size)
        for (size_t k = 0; k < size / 2; k++) {
            const unsigned char kept = bytes[k];
            bytes[k] = bytes[size - 1 - k], bytes[size - 1 - k] = kept;
        }
}
RNNPORT_FN FILE *rnnport_file(const char *folder, const char *name, const char *mode) {
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) rnnport_stop(1, "%s: path too long", folder);
    return fopen(path, mode);
}
/* `count` numbers of IN/NAME.bin, or NULL if there is no such file; a file of another size stops the program. */
RNNPORT_FN const rnnport_real *rnnport_read(rnnport *p, const char *name, size_t count) {
    const size_t size = strcmp(p->dtype, "float64") == 0 ? 8 : 4;
    char file[256];
    if (snprintf(file, sizeof file, "%s.bin", name) >= (int)sizeof file) rnnport_stop(1, "%s: name too long", name);
    FILE *f = rnnport_file(p->in, file, "rb");
    if (f == NULL) return NULL;
    unsigned char *raw = (unsigned char *)rnnport_alloc(p, count * size + 1);
    const size_t got = fread(raw, 1, count * size + 1, f);
    fclose(f);
    if (got != count * size)
        rnnport_stop(1, "%s/%s does not hold %lu numbers of %s", p->in, file, (unsigned long)count, p->dtype);
    if (rnnport_big_endian()) rnnport_swap(raw, count, size);
    if (size == sizeof(rnnport_real)) return (const rnnport_real *)(const void *)raw;
    rnnport_real *converted = (rnnport_real *)rnnport_alloc(p, count * sizeof *converted);
    for (size_t k = 0; k < count; k++)
        converted[k] = (rnnport_real)(size == 8 ? ((const double *)(const void *)raw)[k] : ((const float *)(const void *)raw)[k]);
    return converted;
}
/* A parameter of a layer and direction: rnnport_weight(p, "weight_ih", 1, 1, ...) is IN/weights/weight_ih_l1_reverse.bin.
 * NULL if the network has none of this name (no bias, no projection). */
RNNPORT_FN const rnnport_real *rnnport_weight(rnnport *p, const char *name, int layer, int direction, int rows, int columns) {
    char file[128];
    snprintf(file, sizeof file, "weights/%s_l%d%s", name, layer, direction || p->reverse ? "_reverse" : "");
    return rnnport_read(p, file, (size_t)rows * (size_t)columns);
}
RNNPORT_FN int rnnport_layer_inputs(const rnnport *p, int layer) { return layer == 0 ? p->I : p->D * p->units; }
RNNPORT_FN int rnnport_length(const rnnport *p, int n) { return p->lengths == NULL ? p->T : (int)p->lengths[n]; }
/* The initial state of a layer, direction and sample; its c. */
RNNPORT_FN const rnnport_real *rnnport_h0(const rnnport *p, int layer, int direction, int n) {
    return p->h0 + ((size_t)(layer * p->D + direction) * (size_t)p->N + (size_t)n) * (size_t)p->units;
}
RNNPORT_FN const rnnport_real *rnnport_c0(const rnnport *p, int layer, int direction, int n) {
    return p->c0 + ((size_t)(layer * p->D + direction) * (size_t)p->N + (size_t)n) * (size_t)p->H;
}
/* Where the value "h", "c" or a gate ("r", "z", "n", "i", ...) of one step is stored: `units` numbers, NaN until written. */
RNNPORT_FN rnnport_real *rnnport_at(rnnport *p, const char *name, int units, int layer, int direction, int t, int n) {
    rnnport_series *s = p->series;
    const size_t lanes = (size_t)p->L * (size_t)p->D;
    while (s != NULL && strcmp(s->name, name) != 0) s = s->next;
    if (s == NULL) {
        const uint64_t nan64 = UINT64_C(0x7ff80175a0000000); /* as a float 0x7fc00bad: "not written" */
        double nan;
        memcpy(&nan, &nan64, 8);
        s = (rnnport_series *)rnnport_alloc(p, sizeof *s);
        snprintf(s->name, sizeof s->name, "%s", name);
        s->units = units;
        const size_t count = lanes * (size_t)p->T * (size_t)p->N * (size_t)units;
        s->data = (rnnport_real *)rnnport_alloc(p, count * sizeof *s->data);
        for (size_t k = 0; k < count; k++) /* padding is 0, what the port must write is NaN */
            s->data[k] = (int)(k / ((size_t)p->N * (size_t)units)) % p->T < rnnport_length(p, (int)(k / (size_t)units) % p->N)
                             ? (rnnport_real)nan : (rnnport_real)0;
        s->next = p->series;
        p->series = s;
    }
    if (layer < 0 || layer >= p->L || direction < 0 || direction >= p->D || t < 0 || t >= p->T || n < 0 || n >= p->N ||
        units != s->units)
        rnnport_stop(1, "%s at layer %d, direction %d, t %d, sample %d lies outside the network", name, layer, direction, t, n);
    return s->data + ((((size_t)layer * (size_t)p->D + (size_t)direction) * (size_t)p->T + (size_t)t) * (size_t)p->N +
                      (size_t)n) * (size_t)units;
}
RNNPORT_FN void rnnport_put(rnnport *p, const char *name, int units, int layer, int direction, int t, int n, const rnnport_real *v) {
    memcpy(rnnport_at(p, name, units, layer, direction, t, n), v, (size_t)units * sizeof *v);
}
/* A line of OUT/port.txt, such as "computed_in q15" or "step_error 0.001". */
RNNPORT_FN void rnnport_note(rnnport *p, const char *line) {
    const size_t used = strlen(p->notes);
    snprintf(p->notes + used, sizeof p->notes - used, "%s\n", line);
}
/* Read IN. `argv` is that of main: port IN OUT. */
RNNPORT_FN void rnnport_open(rnnport *p, int argc, char **argv) {
    char key[64], value[64];
    memset(p, 0, sizeof *p);
    if (argc < 3) rnnport_stop(2, "usage: %s IN OUT (rnnviz makes the folders)", argc > 0 ? argv[0] : "port");
    p->in = argv[argc - 2];
    p->out = argv[argc - 1];
    FILE *f = rnnport_file(p->in, "sizes.txt", "r");
    if (f == NULL) rnnport_stop(2, "%s/sizes.txt: %s", p->in, strerror(errno));
    while (fscanf(f, "%63s %63s", key, value) == 2) { /* skip keys of later versions */
        const struct { const char *key; int *number; } numbers[] = {{"protocol", &p->protocol}, {"T", &p->T}, {"N", &p->N},
            {"I", &p->I}, {"H", &p->H}, {"P", &p->P}, {"L", &p->L}, {"D", &p->D}, {"reverse", &p->reverse}};
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
            if (strcmp(key, numbers[k].key) == 0) *numbers[k].number = atoi(value);
        if (strcmp(key, "cell") == 0) snprintf(p->cell, sizeof p->cell, "%.31s", value);
        if (strcmp(key, "dtype") == 0) snprintf(p->dtype, sizeof p->dtype, "%.15s", value);
    }
    fclose(f);
    if (p->protocol != RNNPORT_PROTOCOL) rnnport_stop(RNNPORT_SKIP, "protocol %d, but this header is of 1", p->protocol);
    if (p->T < 1 || p->N < 1 || p->I < 1 || p->H < 1 || p->P < 0 || p->L < 1 || p->D < 1 || p->D > 2)
        rnnport_stop(2, "%s/sizes.txt has no sizes of a network", p->in);
    p->units = p->P ? p->P : p->H;
    const size_t states = (size_t)p->L * (size_t)p->D * (size_t)p->N;
    p->x = rnnport_read(p, "input", (size_t)p->T * (size_t)p->N * (size_t)p->I);
    p->h0 = rnnport_read(p, "h0", states * (size_t)p->units);
    p->c0 = rnnport_read(p, "c0", states * (size_t)p->H);
    if (p->x == NULL || p->h0 == NULL) rnnport_stop(2, "%s lacks input.bin or h0.bin", p->in);
    f = rnnport_file(p->in, "lengths.bin", "rb");
    if (f != NULL) {
        int32_t *lengths = (int32_t *)rnnport_alloc(p, (size_t)p->N * sizeof *lengths);
        if (fread(lengths, sizeof *lengths, (size_t)p->N, f) != (size_t)p->N) rnnport_stop(2, "lengths.bin is too short");
        fclose(f);
        if (rnnport_big_endian()) rnnport_swap((unsigned char *)lengths, (size_t)p->N, sizeof *lengths);
        p->lengths = lengths;
    }
}
/* Write `count` numbers to OUT/NAME.bin. */
RNNPORT_FN void rnnport_write(rnnport *p, const char *name, const rnnport_real *values, size_t count) {
    char file[64];
    snprintf(file, sizeof file, "%.58s.bin", name);
    const int wide = strcmp(p->dtype, "float64") == 0;
    FILE *f = rnnport_file(p->out, file, "wb");
    if (f == NULL) rnnport_stop(1, "%s/%s: %s", p->out, file, strerror(errno));
    for (size_t k = 0; k < count; k++) {
        const double d = (double)values[k];
        const float s = (float)values[k];
        unsigned char bytes[8];
        if (wide) memcpy(bytes, &d, 8);
        else memcpy(bytes, &s, 4);
        if (rnnport_big_endian()) rnnport_swap(bytes, 1, wide ? 8 : 4);
        if (fwrite(bytes, wide ? 8 : 4, 1, f) != 1) rnnport_stop(1, "%s/%s: %s", p->out, file, strerror(errno));
    }
    if (fclose(f) != 0) rnnport_stop(1, "%s/%s: %s", p->out, file, strerror(errno));
}
/* Write what was recorded, and free everything. Returns 0, the exit code of main. */
RNNPORT_FN int rnnport_close(rnnport *p) {
    for (const rnnport_series *s = p->series; s != NULL; s = s->next)
        rnnport_write(p, s->name, s->data, (size_t)p->L * (size_t)p->D * (size_t)p->T * (size_t)p->N * (size_t)s->units);
    if (p->notes[0] != '\0') {
        FILE *f = rnnport_file(p->out, "port.txt", "w");
        if (f == NULL || fputs(p->notes, f) < 0 || fclose(f) != 0) rnnport_stop(1, "%s/port.txt: %s", p->out, strerror(errno));
    }
    while (p->blocks != NULL) {
        rnnport_block *next = p->blocks->next;
        free(p->blocks), p->blocks = next;
    }
    p->series = NULL;
    return 0;
}

/* lib: the library exports one of the two functions, which return 0, RNNPORT_SKIP, or another number for a failure.
 * `size` is sizeof(rnnport_net) of the caller: read no field that lies behind it. */
typedef struct rnnport_param { const char *name; const rnnport_real *data; int32_t rows, columns; } rnnport_param;
typedef struct rnnport_net {
    uint32_t size, abi, real_size;
    int32_t T, N, I, H, P, L, D, reverse, params;
    const char *cell;
    const rnnport_param *param; /* "weight_ih_l0", ... */
} rnnport_net;
#define RNNPORT_ABI 1
#ifdef _WIN32
#define RNNPORT_EXPORT __declspec(dllexport)
#else
#define RNNPORT_EXPORT
#endif
/* One step of one sample. x: the layer's input. h, c: the state before, to be replaced by the one after. gates: (G, H) in the
 * order of the cell's symbols, NaN on entry; write those that there are. */
RNNPORT_EXPORT int rnnport_step(const rnnport_net *net, int32_t layer, int32_t direction, const rnnport_real *x, rnnport_real *h,
                                rnnport_real *c, rnnport_real *gates);
/* The whole network. h (L, D, T, N, units), c, out (T, N, D*units), h_n and c_n (L*D, N, units or H) are NaN on entry. */
RNNPORT_EXPORT int rnnport_forward(const rnnport_net *net, const rnnport_real *x, const rnnport_real *h0, const rnnport_real *c0,
                                   const int32_t *lengths, rnnport_real *h, rnnport_real *c, rnnport_real *out,
                                   rnnport_real *h_n, rnnport_real *c_n);
RNNPORT_FN const rnnport_real *rnnport_find(const rnnport_net *net, const char *name, int layer, int direction) {
    char full[128];
    snprintf(full, sizeof full, "%s_l%d%s", name, layer, direction || net->reverse ? "_reverse" : "");
    for (int32_t k = 0; k < net->params; k++)
        if (strcmp(net->param[k].name, full) == 0) return net->param[k].data;
    return NULL;
}
#ifdef __cplusplus
}
#endif

#ifdef RNNPORT_MAIN
#ifndef RNNPORT_GATES
#define RNNPORT_GATES NULL /* such as "ifgo": rnnport_step fills `gates` */
#endif
int main(int argc, char **argv) {
    static const char *const kinds[] = {"weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr", "peephole"};
    rnnport p;
    rnnport_open(&p, argc, argv);
    const int G = strcmp(p.cell, "lstm") == 0 ? 4 : strncmp(p.cell, "gru", 3) == 0 ? 3 : 1, U = p.units;
    const int rows[] = {G * p.H, G * p.H, G * p.H, G * p.H, p.P, 3}, columns[] = {0, U, 1, 1, p.H, p.H};
    rnnport_param *param = (rnnport_param *)rnnport_alloc(&p, sizeof *param * 6 * (size_t)(p.L * p.D));
    rnnport_net net = {sizeof net, RNNPORT_ABI, sizeof(rnnport_real), p.T, p.N, p.I, p.H, p.P, p.L, p.D, p.reverse, 0, p.cell, param};
    for (int l = 0; l < p.L; l++) for (int d = 0; d < p.D; d++) for (int k = 0; k < 6; k++) {
        char *name = (char *)rnnport_alloc(&p, 64);
        const int c = k == 0 ? rnnport_layer_inputs(&p, l) : columns[k];
        const rnnport_real *data = rows[k] ? rnnport_weight(&p, kinds[k], l, d, rows[k], c) : NULL;
        if (data == NULL) continue;
        snprintf(name, 64, "%s_l%d%s", kinds[k], l, d || p.reverse ? "_reverse" : "");
        const rnnport_param entry = {name, data, rows[k], c};
        param[net.params++] = entry;
    }
    rnnport_real *x = (rnnport_real *)rnnport_alloc(&p, sizeof *x * (size_t)(p.I + 2 * U)), *h = (rnnport_real *)rnnport_alloc(&p, sizeof *h * (size_t)U),
                 *c = (rnnport_real *)rnnport_alloc(&p, sizeof *c * (size_t)p.H), *gates = (rnnport_real *)rnnport_alloc(&p, sizeof *gates * (size_t)(G * p.H));
    const char *symbols = RNNPORT_GATES;
    for (int l = 0; l < p.L; l++) for (int d = 0; d < p.D; d++) for (int n = 0; n < p.N; n++) {
        const int length = rnnport_length(&p, n), backward = d || p.reverse;
        memcpy(h, rnnport_h0(&p, l, d, n), sizeof *h * (size_t)U);
        if (p.c0) memcpy(c, rnnport_c0(&p, l, d, n), sizeof *c * (size_t)p.H);
        for (int s = 0; s < length; s++) {
            const int t = backward ? length - 1 - s : s;
            if (l == 0) memcpy(x, p.x + ((size_t)t * (size_t)p.N + (size_t)n) * (size_t)p.I, sizeof *x * (size_t)p.I);
            else for (int k = 0; k < p.D; k++) memcpy(x + k * U, rnnport_at(&p, "h", U, l - 1, k, t, n), sizeof *x * (size_t)U);
            const int code = rnnport_step(&net, l, d, x, h, p.c0 ? c : NULL, gates);
            if (code != 0) rnnport_stop(code == RNNPORT_SKIP ? RNNPORT_SKIP : 1, "rnnport_step returned %d", code);
            rnnport_put(&p, "h", U, l, d, t, n, h);
            if (p.c0) rnnport_put(&p, "c", p.H, l, d, t, n, c);
            for (int g = 0; symbols != NULL && g < G; g++) {
                const char name[2] = {symbols[g], 0};
                rnnport_put(&p, name, p.H, l, d, t, n, gates + g * p.H);
            }
        }
    }
    return rnnport_close(&p);
}
#endif
#endif
