/* training_losses_body.h - cross-entropy, divergence from a teacher, squared
 * error; compiled with training_body.h. Formulas: training.h. */

/* The largest of x times factor, and the sum of exponentials below it. */
typedef struct softmax {
    aci_real top, sum;
} softmax;

/* `out` (may be NULL, may be x) becomes exp(factor x - top). */
static inline softmax measure(aci_real *out, const aci_real *x, int32_t n,
                              aci_real factor)
{
    vr most = splat(x[0]), sum = { 0 };
    softmax s;
    int32_t i;

    for (i = 0; i + LANES <= n; i += LANES)
        most = vmax(load(x + i), most);
    s.top = max_lanes(most);
    for (; i < n; i++)
        s.top = x[i] > s.top ? x[i] : s.top;
    s.top *= factor;
    for (i = 0; i + LANES <= n; i += LANES) {
        vr e = vexp(load(x + i) * factor - s.top);

        sum += e;
        if (out != NULL)
            store(out + i, e);
    }
    s.sum = sum_lanes(sum);
    for (; i < n; i++) {
        aci_real e = vexp(splat(x[i] * factor - s.top))[0];

        s.sum += e;
        if (out != NULL)
            out[i] = e;
    }
    return s;
}

static void cross_entropy(void *argument, int64_t first, int64_t last,
                          int32_t thread)
{
    const aci_training_job *job = argument;
    const aci_training_loss *c = job->call;
    int32_t n = c->width, i;

    (void)thread;
    for (; first < last; first++) {
        aci_real *x = c->x + first * n;
        aci_real wanted = x[c->targets[first]], factor;
        softmax s = measure(c->with_gradient ? x : NULL, x, n, 1);

        c->losses[first] = (aci_real)log((double)s.sum) + s.top - wanted;
        if (!c->with_gradient)
            continue;
        factor = c->weight / s.sum;
        for (i = 0; i < n; i += LANES)
            put(x + i, take(x + i, n - i) * factor, n - i);
        x[c->targets[first]] -= c->weight;
    }
}

/* With s = x / T, t = teacher / T:
 *     T^2 sum p_t (log p_t - log p_s),   derivative by x: T (p_s - p_t) */
static void divergence(void *argument, int64_t first, int64_t last,
                       int32_t thread)
{
    const aci_training_job *job = argument;
    const aci_training_loss *c = job->call;
    aci_real heat = c->temperature, factor = 1 / heat;
    int32_t n = c->width, i;

    (void)thread;
    for (; first < last; first++) {
        aci_real *x = c->x + first * n;
        const aci_real *teacher = c->reference + first * n;
        softmax s = measure(NULL, x, n, factor);
        softmax t = measure(NULL, teacher, n, factor);
        aci_real s_log = (aci_real)log((double)s.sum) + s.top;
        aci_real t_log = (aci_real)log((double)t.sum) + t.top;
        vr sum = { 0 };

        for (i = 0; i < n; i += LANES) {
            vr ls = take(x + i, n - i) * factor - s_log;
            vr lt = take(teacher + i, n - i) * factor - t_log;
            vr p = vexp(lt), part = p * (lt - ls), zero = { 0 };

            if (c->with_gradient)
                put(x + i, (vexp(ls) - p) * (heat * c->weight), n - i);
            put((aci_real *)&zero, part, n - i);
            sum += zero;
        }
        c->losses[first] = heat * heat * sum_lanes(sum);
    }
}

static void squared_error(void *argument, int64_t first, int64_t last,
                          int32_t thread)
{
    const aci_training_job *job = argument;
    const aci_training_loss *c = job->call;
    int32_t n = c->width, i;

    (void)thread;
    for (; first < last; first++) {
        aci_real *x = c->x + first * n;
        aci_real here = c->targets == NULL || c->targets[first] >= 0;
        vr sum = { 0 };

        for (i = 0; i < n; i += LANES) {
            vr d = take(x + i, n - i) -
                   take(c->reference + first * n + i, n - i);

            sum = madd(d, d, sum);
            if (c->with_gradient)
                put(x + i, d * (2 * here * c->weight / (aci_real)n), n - i);
        }
        c->losses[first] = here * sum_lanes(sum) / (aci_real)n;
    }
}
