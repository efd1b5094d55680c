/* product_sample.c - see product_sample.h. */
#include "kernels/product_sample.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "platform/half.h"

void product_sample_set_nibble(uint8_t *plane, const aci_matrix *m,
                               int32_t row, int32_t column, int value)
{
    int shift;
    size_t at = aci_matrix_nibble_at(m, row, column, &shift);

    plane[at] = (uint8_t)((plane[at] & (0xF0 >> shift)) |
                          ((value + 8) << shift));
}

static int random_in(aci_random *dice, int low, int high)
{
    return low + (int)aci_platform_random_below(dice,
                                                (uint64_t)(high - low + 1));
}

static void set_codes(product_sample *s, aci_random *dice, int extreme)
{
    const aci_matrix *m = &s->matrix;
    int32_t r, k;

    for (r = 0; r < m->n_out; r++)
        for (k = 0; k < m->n_in; k++) {
            int q = extreme ? -8 : random_in(dice, -8, 7);
            int low = extreme ? -8 : random_in(dice, -8, 7);
            int t = extreme ? -127 : random_in(dice, -127, 127);

            product_sample_set_nibble(s->a, m, r, k, q);
            product_sample_set_nibble(s->b, m, r, k, low);
            s->c[aci_matrix_byte_at(m, r, k)] = (uint8_t)(t + 128);
            s->scales[aci_matrix_scale_at(m, r, k / m->group)] =
                aci_platform_f16_from_f32(
                    0.01f + 0.001f * (float)random_in(dice, 0, 50));
        }
}

void product_sample_make(product_sample *s, aci_memory *memory,
                         aci_random *dice, int32_t n_out, int32_t n_in,
                         int32_t group, int32_t ratio, int extreme)
{
    aci_matrix *m = &s->matrix;
    size_t n;

    memset(s, 0, sizeof *s);
    m->n_out = n_out;
    m->n_in = n_in;
    m->n_in_padded = m->n_in_stored = aci_matrix_padded(n_in, group);
    m->n_strip = (n_out + 15) / 16;
    m->group = group;
    m->ratio = ratio;
    n = aci_matrix_nibble_bytes(m);
    s->a = aci_platform_alloc(memory, n);
    s->b = aci_platform_alloc(memory, n);
    s->c = aci_platform_alloc(memory, 2 * n);
    s->scales = aci_platform_alloc(memory, aci_matrix_scale_bytes(m));
    memset(s->a, 0x88, n);
    memset(s->b, 0x88, n);
    memset(s->c, 0x80, 2 * n);
    memset(s->scales, 0, aci_matrix_scale_bytes(m));
    set_codes(s, dice, extreme);
    m->plane_a = s->a;
    m->plane_b = s->b;
    m->plane_c = s->c;
    m->scales = s->scales;
}

void product_sample_free(aci_memory *memory, product_sample *s)
{
    aci_platform_free(memory, s->a);
    aci_platform_free(memory, s->b);
    aci_platform_free(memory, s->c);
    aci_platform_free(memory, s->scales);
}

void product_sample_fill(aci_random *dice, float *x, size_t n, float size)
{
    size_t i;

    for (i = 0; i < n; i++)
        x[i] = size * (float)aci_platform_random_normal(dice);
}

void product_sample_expect_same(const float *expected, const float *found,
                                size_t n, const char *what)
{
    size_t i;

    for (i = 0; i < n; i++)
        ck_assert_msg(memcmp(&expected[i], &found[i], sizeof *found) == 0,
                      "%s: output %zu is %.9g, the reference has %.9g", what,
                      i, (double)found[i], (double)expected[i]);
}

int product_problems_each(void (*check)(const product_problem *problem,
                                        const char *line))
{
    FILE *list = fopen("tests/operations/products.txt", "r");
    char line[256];
    int n = 0;

    ck_assert_msg(list != NULL, "run from the repository's root");
    while (fgets(line, sizeof line, list) != NULL) {
        product_problem p;

        if (line[0] == '#' || line[0] == '\n')
            continue;
        ck_assert_int_eq(sscanf(line, "%d %d %d g%d D%d w%da%d bias%d acc%d",
                                &p.rows, &p.n_out, &p.n_in, &p.group,
                                &p.ratio, &p.w, &p.a, &p.with_bias,
                                &p.accumulate), 9);
        check(&p, line);
        n++;
    }
    fclose(list);
    return n;
}
