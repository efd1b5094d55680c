/* test_unit_order.c - a checkpoint read in another order of units: rows and
 * columns go where the order says, together, and nothing else moves. */
#include "../model/store_fixture.h"
#include "workshop/compress/unit_order.h"

#define MODEL "examples/models/base" /* groups of 2 heads of 32, 512 neurons */

enum { LAYER = 2, N_GROUP = 3, N_FF = 512, DIM = 32 };

static aci_checkpoint *checkpoint;
static aci_unit_order order;

static void enter(void)
{
    zoo_enter();
    ck_assert_int_eq(aci_model_checkpoint_open(&checkpoint, &zoo_memory,
                                               MODEL, NULL), AC_OK);
    ck_assert_int_eq(aci_workshop_order_open(
                         &order, &zoo_memory,
                         aci_model_checkpoint_shape(checkpoint), NULL),
                     AC_OK);
}

static void leave(void)
{
    aci_workshop_order_close(&order);
    aci_model_checkpoint_close(checkpoint);
    zoo_leave();
}

/* The groups 2, 0, 1 and the neurons backwards. */
static void shuffle(void)
{
    static const int32_t groups[] = { 2, 0, 1 };

    for (int32_t i = 0; i < N_GROUP; i++)
        order.groups[LAYER * N_GROUP + i] = groups[i];
    for (int32_t i = 0; i < N_FF; i++)
        order.neurons[LAYER * N_FF + i] = N_FF - 1 - i;
}

static float *load(const aci_unit_order *by, int32_t row, aci_tensor *tensor)
{
    static float scratch[2048];
    float *out;

    aci_model_tensor_row(tensor, order.shape, LAYER, row);
    out = malloc((size_t)tensor->n_out * (size_t)tensor->n_in * sizeof *out);
    ck_assert_int_eq(aci_workshop_order_read(out, scratch, by, checkpoint,
                                             tensor, 0, tensor->n_out, NULL),
                     AC_OK);
    return out;
}

static int32_t head_row(int32_t i, int32_t width)
{
    return order.groups[LAYER * N_GROUP + i / width] * width + i % width;
}

/* Where number i of the ordered side of a tensor came from. */
static int32_t from_where(int32_t row, int32_t i)
{
    switch (row) {
    case ACI_ROW_Q:
    case ACI_ROW_O:
        return head_row(i, 2 * DIM);
    case ACI_ROW_K:
    case ACI_ROW_V:
        return head_row(i, DIM);
    case ACI_ROW_GATE:
    case ACI_ROW_UP:
    case ACI_ROW_DOWN:
        return N_FF - 1 - i;
    default:
        return i;
    }
}

START_TEST(units_go_where_the_order_says)
{
    static const int32_t rows[] = { ACI_ROW_Q,    ACI_ROW_K,  ACI_ROW_V,
                                    ACI_ROW_O,    ACI_ROW_GATE, ACI_ROW_UP,
                                    ACI_ROW_DOWN, ACI_ROW_ATTN_NORM };

    shuffle();
    for (size_t t = 0; t < sizeof rows / sizeof *rows; t++) {
        aci_tensor tensor;
        float *plain = load(NULL, rows[t], &tensor);
        float *ordered = load(&order, rows[t], &tensor);
        int by_column = rows[t] == ACI_ROW_O || rows[t] == ACI_ROW_DOWN;

        for (int32_t r = 0; r < tensor.n_out; r++)
            for (int32_t k = 0; k < tensor.n_in; k++) {
                int32_t row = by_column ? r : from_where(rows[t], r);
                int32_t column = by_column ? from_where(rows[t], k) : k;

                ck_assert_msg(ordered[r * tensor.n_in + k] ==
                                  plain[row * tensor.n_in + column],
                              "%s [%d, %d]", tensor.name, (int)r, (int)k);
            }
        free(plain);
        free(ordered);
    }
}
END_TEST

START_TEST(no_order_and_the_first_one_move_nothing)
{
    aci_tensor tensor;
    float *plain = load(NULL, ACI_ROW_DOWN, &tensor);
    float *ordered = load(&order, ACI_ROW_DOWN, &tensor);

    ck_assert_int_eq(memcmp(plain, ordered, (size_t)tensor.n_out *
                                                (size_t)tensor.n_in *
                                                sizeof *plain), 0);
    free(plain);
    free(ordered);
}
END_TEST

/* A calibration of one layer as it would be mapped: moments i * 1000 + j. */
START_TEST(statistics_follow_their_columns)
{
    aci_unit_order own = order;
    aci_input_statistics seen;
    aci_calibration_writer *writer;
    aci_calibration start = { .memory = &zoo_memory, .n_tokens = 1 };
    aci_calibration *calibration;
    aci_shape shape = *order.shape;
    char path[128];
    float *moments = malloc((size_t)N_FF * (N_FF + 1) / 2 * sizeof *moments);
    float *mean = malloc(N_FF * sizeof *mean);

    for (int32_t i = 0, at = 0; i < N_FF; i++) {
        mean[i] = (float)i;
        for (int32_t j = 0; j <= i; j++)
            moments[at++] = (float)(1000 * i + j);
    }
    shuffle();
    snprintf(path, sizeof path, "%s/made.acc", zoo_folder);
    aci_workshop_calibration_shape(&start, &shape);
    ck_assert_int_eq(aci_workshop_calibration_writer_open(
                         &writer, &zoo_memory, path, &start, NULL), AC_OK);
    for (int32_t l = 0; l <= shape.n_layer; l++) {
        for (int32_t i = 0; i < (l < shape.n_layer ? 4 : 1); i++) {
            aci_input_statistics in = {
                start.width[l < shape.n_layer ? i : ACI_INPUT_HEAD], mean,
                mean, moments
            };

            ck_assert_int_eq(aci_workshop_calibration_write_input(
                                 writer, &in, NULL), AC_OK);
        }
        if (l < shape.n_layer)
            ck_assert_int_eq(aci_workshop_calibration_write_cosines(
                                 writer, 0.5, 0.5, NULL), AC_OK);
    }
    ck_assert_int_eq(aci_workshop_calibration_commit(writer, NULL), AC_OK);
    ck_assert_int_eq(aci_workshop_calibration_open(
                         &calibration, &zoo_memory, path, &shape, NULL),
                     AC_OK);
    ck_assert_int_eq(aci_workshop_order_statistics(
                         &seen, &zoo_memory, &own, calibration, LAYER,
                         ACI_INPUT_DOWN, NULL), AC_OK);
    for (int32_t i = 0, at = 0; i < N_FF; i++) {
        ck_assert(seen.mean[i] == (float)(N_FF - 1 - i));
        for (int32_t j = 0; j <= i; j++, at++)
            ck_assert(seen.moments[at] ==
                      (float)(1000 * (N_FF - 1 - j) + N_FF - 1 - i));
    }
    aci_workshop_order_statistics_free(&seen, &zoo_memory);
    aci_workshop_calibration_close(calibration);
    free(moments);
    free(mean);
}
END_TEST

Suite *test_unit_order_suite(void);
Suite *test_unit_order_suite(void)
{
    Suite *suite = suite_create("test_unit_order");
    TCase *tcase = tcase_create("order");

    tcase_add_checked_fixture(tcase, enter, leave);
    tcase_add_test(tcase, units_go_where_the_order_says);
    tcase_add_test(tcase, no_order_and_the_first_one_move_nothing);
    tcase_add_test(tcase, statistics_follow_their_columns);
    suite_add_tcase(suite, tcase);
    return suite;
}
