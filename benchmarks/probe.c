/* Random inserts into an open-addressing table: what the memory of this machine allows.
 *
 * probe STATES: inserts STATES distinct 64-bit keys in random order into a table of twice that
 * many slots (the next power of two), one at a time and then in batches of 64 with prefetch, and
 * prints both rates in inserts per second. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH = 64 };

static uint64_t mix(uint64_t x) /* a bijection (splitmix64), so that keys are distinct */
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static void insert(uint64_t *table, uint64_t mask, uint64_t key)
{
    uint64_t at = key & mask;
    while (table[at] && table[at] != key)
        at = (at + 1) & mask;
    table[at] = key;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

int main(int argc, char **argv)
{
    uint64_t count = argc > 1 ? strtoull(argv[1], 0, 10) : 1000000, size = 1;
    while (size < 2 * count)
        size *= 2;
    uint64_t *table = malloc(size * sizeof *table);
    if (!table)
        return 1;
    for (uint64_t batch = 1; batch <= BATCH; batch *= BATCH) {
        memset(table, 0, size * sizeof *table);
        double start = now();
        for (uint64_t first = 0; first < count; first += batch) {
            uint64_t keys[BATCH], n = count - first < batch ? count - first : batch;
            for (uint64_t i = 0; i < n; i++) {
                keys[i] = mix(first + i);
                __builtin_prefetch(&table[keys[i] & (size - 1)], 1);
            }
            for (uint64_t i = 0; i < n; i++)
                insert(table, size - 1, keys[i]);
        }
        printf("%.0f\n", count / (now() - start));
    }
    return 0;
}
