/* Dense backward induction in C, written for speed: what the package's own sweep is measured against.
 *
 *     V(n, w) = max_i mu_i V(n + e_i, w + e_i) + (1 - mu_i) V(n + e_i, w),   and sum_i payoff_i(n_i, w_i) at the end,
 *
 * over every state of N items and K labels, in double precision, with two layers in memory. The states of one
 * composition n = (n_1..n_N) form a block of prod (n_i + 1) values, the last item's wins contiguous; the compositions
 * of a layer stand in lexicographic order. No state is left out.
 *
 * usage: dense_baseline TABLES, a file of two int64, N and K, then mean[N][K + 1][K + 1] and payoff[N][K + 1][K + 1]
 * as doubles, by item, labels and wins. Prints one line: value, states, seconds, peak resident KiB and threads. The
 * seconds are those of the sweep; getting its memory and filling its last layer count, reading the file does not.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#define INLINE static inline __attribute__((always_inline))

enum { MAX_ITEMS = 16, WORTH_SHARING = 20000 };

typedef struct {
    int *n;         /* composition of each block, N numbers a block */
    size_t *offset; /* where each block begins; one entry more, for the end */
    size_t blocks, states;
} Layer;

static int N, K;
static double *mean, *payoff;
static size_t *cumulative[MAX_ITEMS + 1]; /* [i][r]: ways to give at most r labels to items i..N-1 */

static const double *table(const double *tables, int i, int n) { return tables + ((size_t)i * (K + 1) + n) * (K + 1); }

static void *must(void *memory) {
    if (!memory) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    return memory;
}

/* In large pages where the system has them. */
static double *values(size_t states) {
    const size_t page = (size_t)1 << 21, bytes = (states * sizeof(double) + page - 1) / page * page;
    double *memory = must(aligned_alloc(page, bytes));
#ifdef MADV_HUGEPAGE
    madvise(memory, bytes, MADV_HUGEPAGE);
#endif
    return memory;
}

static void count_compositions(void) {
    for (int i = N; i >= 0; i--) {
        cumulative[i] = must(calloc(K + 1, sizeof(size_t)));
        for (int r = 0; r <= K; r++) {
            const size_t exactly = i == N ? r == 0 : cumulative[i + 1][r];
            cumulative[i][r] = exactly + (r ? cumulative[i][r - 1] : 0);
        }
    }
}

static Layer layer_of(int labels) {
    Layer layer = {.blocks = cumulative[0][labels] - (labels ? cumulative[0][labels - 1] : 0)};
    layer.n = must(malloc(layer.blocks * N * sizeof(int)));
    layer.offset = must(malloc((layer.blocks + 1) * sizeof(size_t)));
    int n[MAX_ITEMS] = {0};
    n[N - 1] = labels;
    for (size_t c = 0; c < layer.blocks; c++) {
        size_t states = 1;
        for (int i = 0; i < N; i++) {
            layer.n[c * N + i] = n[i];
            states *= n[i] + 1;
        }
        layer.offset[c] = layer.states;
        layer.states += states;
        /* Next in order: the last item that has labels gives one to the item before it, and the rest go to the end. */
        int last = N - 1;
        while (last > 0 && n[last] == 0) last--;
        if (last > 0) {
            const int rest = n[last] - 1;
            n[last] = 0;
            n[last - 1]++;
            n[N - 1] = rest;
        }
    }
    layer.offset[layer.blocks] = layer.states;
    return layer;
}

static void release(Layer layer) {
    free(layer.n);
    free(layer.offset);
}

/* Positions of n + e_i, one layer on, for every item i: at each item, count the compositions with less there. */
static void successors(const int *n, size_t *position) {
    size_t behind[MAX_ITEMS + 1] = {0}, before = 0;
    int rest[MAX_ITEMS + 1] = {0};
    for (int j = N - 1; j >= 0; j--) {
        rest[j] = rest[j + 1] + n[j];
        behind[j] = behind[j + 1] + cumulative[j + 1][rest[j]] - cumulative[j + 1][rest[j + 1]];
    }
    for (int i = 0; i < N; i++) {
        const size_t more = cumulative[i + 1][rest[i] + 1];
        position[i] = before + more - cumulative[i + 1][rest[i + 1]] + behind[i + 1];
        before += more - cumulative[i + 1][rest[i + 1] + 1];
    }
}

/* Sums of payoffs, from the last item to the first: what the items behind give, repeated for each number of wins. */
static void terminal(const int *n, double *out) {
    size_t run = n[N - 1] + 1;
    memcpy(out, table(payoff, N - 1, n[N - 1]), run * sizeof(double));
    for (int i = N - 2; i >= 0; run *= n[i--] + 1) {
        const double *paid = table(payoff, i, n[i]);
        for (int w = n[i]; w >= 0; w--)
            for (size_t k = 0; k < run; k++) out[w * run + k] = out[k] + paid[w];
    }
}

INLINE double larger(double x, double y) { return x > y ? x : y; }

/* The states of a block that share w_0..w_i are neighbours, a run. So are their successors by a loss of item i, and
 * those by a win are the next run; mu_i is constant along it. For the last item runs are single states, so it is taken
 * by rows, along which its mu varies. A pass over a block takes one item or two; `fresh` says that it is the first. */

INLINE void one_item(const int *n, int i, const double *after, size_t run, double *restrict out) {
    const double *mu = table(mean, i, n[i]);
    for (int w = 0; w <= n[i]; w++, after += run, out += run)
        for (size_t k = 0; k < run; k++) out[k] = after[k] + mu[w] * (after[run + k] - after[k]);
}

INLINE void two_items(const int *n, int i, const double *a, const double *b, size_t outer, size_t run,
                      double *restrict out, int fresh) {
    const double *p = table(mean, i, n[i]), *q = table(mean, i + 1, n[i + 1]);
    const size_t slab = (n[i + 1] + 1) * run;
    for (size_t o = 0; o < outer; o++, a += slab)
        for (int v = 0; v <= n[i]; v++, b += run)
            for (int w = 0; w <= n[i + 1]; w++, a += run, b += run, out += run) {
                const double pv = p[v], qw = q[w];
                for (size_t k = 0; k < run; k++) {
                    const double x = a[k] + pv * (a[slab + k] - a[k]), y = b[k] + qw * (b[run + k] - b[k]);
                    out[k] = fresh ? larger(x, y) : larger(larger(x, y), out[k]);
                }
            }
}

INLINE void last_two_items(const int *n, const double *a, const double *b, size_t outer, double *restrict out,
                           int fresh) {
    const double *p = table(mean, N - 2, n[N - 2]), *restrict q = table(mean, N - 1, n[N - 1]);
    const int row = n[N - 1] + 1;
    for (size_t o = 0; o < outer; o++, a += row)
        for (int v = 0; v <= n[N - 2]; v++, a += row, b += row + 1, out += row) {
            const double pv = p[v];
            for (int k = 0; k < row; k++) {
                const double x = a[k] + pv * (a[row + k] - a[k]), y = b[k] + q[k] * (b[k + 1] - b[k]);
                out[k] = fresh ? larger(x, y) : larger(larger(x, y), out[k]);
            }
        }
}

/* Three items in one pass, row by row. */
static void block_of_three(const int *n, const double *const *after, double *restrict out) {
    const double *a = after[0], *b = after[1], *c = after[2];
    const double *p = table(mean, 0, n[0]), *q = table(mean, 1, n[1]), *restrict r = table(mean, 2, n[2]);
    const int row = n[2] + 1;
    const size_t slab = (size_t)(n[1] + 1) * row;
    for (int v = 0; v <= n[0]; v++, b += row)
        for (int w = 0; w <= n[1]; w++, a += row, b += row, c += row + 1, out += row) {
            const double pv = p[v], qw = q[w];
            for (int k = 0; k < row; k++) {
                const double x = a[k] + pv * (a[slab + k] - a[k]);
                const double y = b[k] + qw * (b[row + k] - b[k]);
                const double z = c[k] + r[k] * (c[k + 1] - c[k]);
                out[k] = larger(larger(x, y), z);
            }
        }
}

static void block(const int *n, const double *const *after, double *out, size_t states) {
    if (N == 2) {
        last_two_items(n, after[0], after[1], 1, out, 1);
        return;
    }
    if (N == 3) {
        block_of_three(n, after, out);
        return;
    }
    int i;
    if (N % 2) {
        i = 1;
        states /= n[0] + 1;
        one_item(n, 0, after[0], states, out);
    } else {
        i = 2;
        states /= (n[0] + 1) * (n[1] + 1);
        two_items(n, 0, after[0], after[1], 1, states, out, 1);
    }
    size_t outer = 1;
    for (int j = 0; j < i; j++) outer *= n[j] + 1;
    for (; i + 2 < N; i += 2) {
        const size_t pair = (size_t)(n[i] + 1) * (n[i + 1] + 1);
        states /= pair;
        two_items(n, i, after[i], after[i + 1], outer, states, out, 0);
        outer *= pair;
    }
    if (i < N) last_two_items(n, after[i], after[i + 1], outer, out, 0);
}

static double sweep(size_t *states) {
    Layer layer = layer_of(K);
    *states = layer.states;
    double *after = values(layer.states), *out = NULL;
#pragma omp parallel for schedule(guided, 4) if (layer.states > WORTH_SHARING)
    for (size_t c = 0; c < layer.blocks; c++) terminal(layer.n + c * N, after + layer.offset[c]);
    for (int labels = K - 1; labels >= 0; labels--) {
        const Layer next = layer;
        layer = layer_of(labels);
        *states += layer.states;
        if (!out) out = values(layer.states);
#pragma omp parallel for schedule(guided, 4) if (layer.states > WORTH_SHARING)
        for (size_t c = 0; c < layer.blocks; c++) {
            const double *from[MAX_ITEMS] = {NULL};
            size_t position[MAX_ITEMS];
            successors(layer.n + c * N, position);
            for (int i = 0; i < N; i++) from[i] = after + next.offset[position[i]];
            block(layer.n + c * N, from, out + layer.offset[c], layer.offset[c + 1] - layer.offset[c]);
        }
        double *swap = after;
        after = out;
        out = swap;
        release(next);
    }
    const double value = after[0];
    release(layer);
    free(after);
    free(out);
    return value;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

/* getrusage alone would not do: on Linux its peak can be that of the process that started this one. */
static long peak_kib(void) {
    char line[256];
    long kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && !kib && fgets(line, sizeof line, status)) sscanf(line, "VmHWM: %ld", &kib);
    if (status) fclose(status);
    if (kib) return kib;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
#ifdef __APPLE__
    return usage.ru_maxrss / 1024; /* bytes there */
#else
    return usage.ru_maxrss;
#endif
}

int main(int argc, char **argv) {
    int64_t size[2];
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (!file || fread(size, sizeof *size, 2, file) != 2 || size[0] < 1 || size[0] > MAX_ITEMS || size[1] < 0) {
        fprintf(stderr, "usage: dense_baseline TABLES, of 1 to %d items\n", MAX_ITEMS);
        return 1;
    }
    N = size[0];
    K = size[1];
    const size_t numbers = (size_t)N * (K + 1) * (K + 1);
    mean = must(malloc(numbers * sizeof(double)));
    payoff = must(malloc(numbers * sizeof(double)));
    if (fread(mean, sizeof(double), numbers, file) != numbers ||
        fread(payoff, sizeof(double), numbers, file) != numbers) {
        fprintf(stderr, "%s: too short\n", argv[1]);
        return 1;
    }
    fclose(file);
    count_compositions();
    size_t states;
    const double begin = now(), value = sweep(&states), seconds = now() - begin;
    int threads = 1;
#ifdef _OPENMP
    threads = omp_get_max_threads();
#endif
    printf("%.17g %zu %.9f %ld %d\n", value, states, seconds, peak_kib(), threads);
    return 0;
}
