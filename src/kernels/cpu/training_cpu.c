/* training_cpu.c - the CPU's filling of training.h: hands the tasks of a level
 * to the thread pool, and products to the multiplier. */
#include <stdio.h>
#include <string.h>

#include "kernels/cpu/cpu_level.h"
#include "kernels/cpu/training_level.h"
#include "platform/error.h"

typedef struct cpu_training {
    aci_training base;
    const aci_training_level *level;
    aci_multiplier *multiplier;
    aci_real *partial;   /* [ACI_PARTS, max_width] */
    aci_real *scratch;   /* [n_threads, scratch_size] */
    size_t scratch_size;
    int64_t max_width;
} cpu_training;

/* ---- running tasks ------------------------------------------------------- */

static cpu_training *cpu_of(aci_training *training)
{
    return (cpu_training *)(void *)training;
}

static aci_training_job new_job(aci_training *training, const void *call)
{
    cpu_training *cpu = cpu_of(training);
    aci_training_job job = { .call = call, .partial = cpu->partial,
                             .partial_width = cpu->max_width,
                             .scratch = cpu->scratch,
                             .scratch_size = cpu->scratch_size };

    return job;
}

/* Rows in chunks of about 32 KiB of work. */
static void over_rows(aci_training *training, aci_pool_task task,
                      aci_training_job *job, int64_t n_rows, int64_t width)
{
    int64_t chunk = 8192 / (width < 1 ? 1 : width) + 1;

    aci_platform_pool_run(training->pool, task, job, n_rows, chunk);
}

static void over_parts(aci_training *training, aci_pool_task task,
                       aci_training_job *job)
{
    aci_platform_pool_run(training->pool, task, job, ACI_PARTS, 1);
}

/* out += the first `width` columns, from `column` on, of what over_parts left
 * in `partial`. */
static void add_parts(aci_training *training, aci_real *out, int64_t column,
                      int32_t width)
{
    cpu_training *cpu = cpu_of(training);
    aci_training_job job = new_job(training, NULL);

    job.partial += column;
    job.out = out;
    job.width = width;
    aci_platform_pool_run(training->pool, cpu->level->sum_parts, &job,
                          (width + 15) / 16, 8);
}

/* ---- memory -------------------------------------------------------------- */

static void *allocate(aci_training *training, size_t bytes)
{
    return aci_platform_alloc(training->memory, bytes);
}

static void release(aci_training *training, void *block)
{
    aci_platform_free(training->memory, block);
}

static ac_status copy(aci_training *training, void *to, const void *from,
                      size_t bytes, ac_error *error)
{
    (void)training;
    (void)error;
    if (bytes > 0)
        memcpy(to, from, bytes);
    return AC_OK;
}

static void zero(aci_training *training, void *at, size_t bytes)
{
    (void)training;
    memset(at, 0, bytes);
}

/* ---- operations ---------------------------------------------------------- */

static void multiply(aci_training *training, const aci_multiply *product)
{
    aci_kernels_multiply(cpu_of(training)->multiplier, product);
}

static void gather(aci_training *training, aci_real *out,
                   const aci_real *table, const int32_t *rows, int64_t n_rows,
                   int32_t width)
{
    int64_t i;

    (void)training;
    for (i = 0; i < n_rows; i++)
        memcpy(out + i * width, table + (int64_t)rows[i] * width,
               (size_t)width * sizeof *out);
}

static void scatter_add(aci_training *training, aci_real *table,
                        const aci_real *in, const int32_t *rows,
                        int64_t n_rows, int32_t width)
{
    aci_training_job job = new_job(training, NULL);

    job.out = table;
    job.in = in;
    job.rows = rows;
    job.n = n_rows;
    job.width = width;
    aci_platform_pool_run(training->pool, cpu_of(training)->level->scatter_add,
                          &job, ACI_CLASSES, 1);
}

static void norm(aci_training *training, const aci_training_norm *call)
{
    aci_training_job job = new_job(training, call);

    over_rows(training, cpu_of(training)->level->norm, &job, call->n_rows,
              call->width);
}

static void norm_backward(aci_training *training,
                          const aci_training_norm *call)
{
    aci_training_job job = new_job(training, call);

    over_parts(training, cpu_of(training)->level->norm_backward, &job);
    if (call->d_weight != NULL)
        add_parts(training, call->d_weight, 0, call->width);
}

static void scale(aci_training *training, aci_real *x, int64_t n,
                  aci_real factor)
{
    aci_training_job job = new_job(training, NULL);

    job.out = x;
    job.n = n;
    job.factor = factor;
    aci_platform_pool_run(training->pool, cpu_of(training)->level->scale,
                          &job, (n + 15) / 16, 512);
}

static void add_bias(aci_training *training, aci_real *x, int64_t stride,
                     const aci_real *bias, int64_t n_rows, int32_t width)
{
    aci_training_job job = new_job(training, NULL);

    job.out = x;
    job.in = bias;
    job.stride = stride;
    job.width = width;
    over_rows(training, cpu_of(training)->level->add_bias, &job, n_rows,
              width);
}

static void sum_rows(aci_training *training, aci_real *d_bias,
                     const aci_real *x, int64_t stride, int64_t n_rows,
                     int32_t width)
{
    aci_training_job job = new_job(training, NULL);

    job.in = x;
    job.stride = stride;
    job.n = n_rows;
    job.width = width;
    over_parts(training, cpu_of(training)->level->sum_rows, &job);
    add_parts(training, d_bias, 0, width);
}

static void rotate(aci_training *training, const aci_training_rotation *call)
{
    aci_training_job job = new_job(training, call);

    over_rows(training, cpu_of(training)->level->rotate, &job, call->n_rows,
              call->stride);
}

static void rotate_backward(aci_training *training,
                            const aci_training_rotation *call)
{
    aci_training_job job = new_job(training, call);

    over_parts(training, cpu_of(training)->level->rotate_backward, &job);
    if (call->d_q_norm == NULL)
        return;
    add_parts(training, call->d_q_norm, 0, call->head_dim);
    add_parts(training, call->d_k_norm, call->head_dim, call->head_dim);
}

static void attend(aci_training *training, const aci_training_attention *call)
{
    aci_training_job job = new_job(training, call);

    aci_platform_pool_run(training->pool, cpu_of(training)->level->attend,
                          &job, (int64_t)call->n_documents * call->n_head_kv,
                          1);
}

static void attend_backward(aci_training *training,
                            const aci_training_attention *call)
{
    aci_training_job job = new_job(training, call);

    aci_platform_pool_run(training->pool,
                          cpu_of(training)->level->attend_backward, &job,
                          (int64_t)call->n_documents * call->n_head_kv, 1);
}

static void gate(aci_training *training, const aci_training_gate *call)
{
    aci_training_job job = new_job(training, call);

    over_rows(training, cpu_of(training)->level->gate, &job, call->n_rows,
              call->width);
}

static void gate_backward(aci_training *training,
                          const aci_training_gate *call)
{
    aci_training_job job = new_job(training, call);

    over_rows(training, cpu_of(training)->level->gate_backward, &job,
              call->n_rows, call->width);
}

static void cross_entropy(aci_training *training,
                          const aci_training_loss *call)
{
    aci_training_job job = new_job(training, call);

    over_rows(training, cpu_of(training)->level->cross_entropy, &job,
              call->n_rows, call->width);
}

static void divergence(aci_training *training, const aci_training_loss *call)
{
    aci_training_job job = new_job(training, call);

    over_rows(training, cpu_of(training)->level->divergence, &job,
              call->n_rows, call->width);
}

static void squared_error(aci_training *training,
                          const aci_training_loss *call)
{
    aci_training_job job = new_job(training, call);

    over_rows(training, cpu_of(training)->level->squared_error, &job,
              call->n_rows, call->width);
}

static double sum_squares(aci_training *training, const aci_real *x,
                          int64_t n)
{
    aci_training_job job = new_job(training, NULL);
    double sums[ACI_PARTS], sum = 0.0;
    int p;

    job.sums = sums;
    job.in = x;
    job.n = n;
    over_parts(training, cpu_of(training)->level->sum_squares, &job);
    for (p = 0; p < ACI_PARTS; p++)
        sum += sums[p];
    return sum;
}

static void adamw(aci_training *training, const aci_training_adamw *call)
{
    aci_training_job job = new_job(training, call);

    aci_platform_pool_run(training->pool, cpu_of(training)->level->adamw,
                          &job, (call->n + 15) / 16, 512);
}

/* ---- open and close ------------------------------------------------------ */

static void close_cpu(aci_training *training)
{
    cpu_training *cpu;

    if (training == NULL)
        return;
    cpu = cpu_of(training);
    aci_kernels_multiplier_free(cpu->multiplier);
    aci_platform_free(training->memory, cpu->scratch);
    aci_platform_free(training->memory, cpu->partial);
    aci_platform_free(training->memory, cpu);
}

static const aci_training_operations operations = {
    .allocate = allocate,
    .release = release,
    .upload = copy,
    .download = copy,
    .zero = zero,
    .multiply = multiply,
    .gather = gather,
    .scatter_add = scatter_add,
    .norm = norm,
    .norm_backward = norm_backward,
    .scale = scale,
    .add_bias = add_bias,
    .sum_rows = sum_rows,
    .rotate = rotate,
    .rotate_backward = rotate_backward,
    .attend = attend,
    .attend_backward = attend_backward,
    .gate = gate,
    .gate_backward = gate_backward,
    .cross_entropy = cross_entropy,
    .divergence = divergence,
    .squared_error = squared_error,
    .sum_squares = sum_squares,
    .adamw = adamw,
    .close = close_cpu,
};

static const aci_training_level *find_level(const char *name)
{
    if (name != NULL && strcmp(name, "portable") == 0)
        return &aci_kernels_training_portable;
#if defined(__x86_64__)
    if (aci_kernels_cpu_level("avx512") != NULL &&
        (name == NULL || strcmp(name, "avx512") == 0))
        return &aci_kernels_training_avx512;
    if (aci_kernels_cpu_level("avx2") != NULL &&
        (name == NULL || strcmp(name, "avx2") == 0))
        return &aci_kernels_training_avx2;
#endif
    return name == NULL ? &aci_kernels_training_portable : NULL;
}

size_t aci_kernels_attention_scratch(int32_t max_document, int32_t head_dim)
{
    size_t length = ((size_t)max_document + ACI_KEY_BLOCK - 1) /
                    ACI_KEY_BLOCK * ACI_KEY_BLOCK;
    size_t width = ((size_t)head_dim + 15) / 16 * 16;

    return 6 * length * width +
           ACI_ATTENTION_TILE * (3 * width + ACI_KEY_BLOCK + length);
}

static ac_status make_room(cpu_training *cpu, const aci_training_sizes *sizes,
                           ac_error *error)
{
    size_t n_threads = (size_t)aci_platform_pool_threads(cpu->base.pool);

    cpu->max_width = ((int64_t)sizes->max_width + 15) / 16 * 16;
    cpu->scratch_size = aci_kernels_attention_scratch(sizes->max_document,
                                                      sizes->head_dim);
    cpu->partial = aci_platform_alloc_array(
        cpu->base.memory, (size_t)cpu->max_width,
        ACI_PARTS * sizeof(aci_real));
    cpu->scratch = aci_platform_alloc_array(
        cpu->base.memory, cpu->scratch_size, n_threads * sizeof(aci_real));
    if (cpu->partial == NULL || cpu->scratch == NULL)
        return aci_platform_fail_memory(error, "the operations of training");
    return AC_OK;
}

/* The multiplier that belongs to a level and a precision. */
static ac_status open_products(cpu_training *cpu, const char *level,
                               int32_t precision, ac_error *error)
{
    aci_memory *memory = cpu->base.memory;
    aci_pool *pool = cpu->base.pool;

    if (precision == ACI_FLOAT32)
        return aci_kernels_multiplier_create(&cpu->multiplier, memory, pool,
                                             level, error);
    if (strcmp(cpu->level->name, "avx512") != 0 ||
        !aci_kernels_cpu_has_bfloat16())
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "%s has no products of bfloat16 (AVX512_BF16"
                                 "); train in float32", level != NULL
                                     ? level : "this processor");
    return aci_kernels_multiplier_create(&cpu->multiplier, memory, pool,
                                         ACI_MULTIPLY_BFLOAT16, error);
}

ac_status aci_kernels_training_cpu_open(aci_training **out,
                                        aci_memory *memory, aci_pool *pool,
                                        const char *level, int32_t precision,
                                        const aci_training_sizes *sizes,
                                        ac_error *error)
{
    cpu_training *cpu = aci_platform_alloc_zeroed(memory, 1, sizeof *cpu);
    ac_status status;

    *out = NULL;
    if (cpu == NULL)
        return aci_platform_fail_memory(error, "the operations of training");
    cpu->base.operations = &operations;
    cpu->base.memory = memory;
    cpu->base.pool = pool;
    cpu->level = find_level(level);
    if (cpu->level == NULL)
        status = aci_platform_fail(error, AC_E_UNSUPPORTED,
                                   "this processor has no %s", level);
    else
        status = open_products(cpu, level, precision, error);
    if (status == AC_OK)
        status = make_room(cpu, sizes, error);
    if (status == AC_OK) {
        snprintf(cpu->base.description, sizeof cpu->base.description,
                 "cpu %s%s, %d threads", cpu->level->name,
                 precision == ACI_BFLOAT16 ? ", bfloat16 products" : "",
                 (int)aci_platform_pool_threads(pool));
        *out = &cpu->base;
    } else {
        close_cpu(&cpu->base);
    }
    return status;
}
