/* rope_frequencies.c - inverse frequencies of the rotary embedding, with every
 * scaling in the arithmetic and order of Hugging Face transformers: float32,
 * so that a long context turns by the same angles there and here.
 *
 *     plain     f_i = theta^(-2i/dim)
 *     linear    f_i / factor
 *     dynamic   theta grows with the session's length beyond the trained one
 *     llama3    long waves / factor, short ones kept, smooth in between
 *     yarn      the same idea by rotations over the trained context, and
 *               queries and keys made longer by a magnitude */
#include <math.h>

#include "model/shape.h"

#define PI 3.14159265358979323846

static float plain_frequency(float theta, int32_t i, int32_t dim)
{
    return 1.0f / powf(theta, (float)(2 * i) / (float)dim);
}

/* bloc97's NTK-aware base, for max(n_context, original) positions. */
static float dynamic_theta(const aci_shape *shape, int32_t n_context)
{
    double original = shape->rope_original_context;
    double length = n_context > original ? n_context : original;
    double factor = (double)shape->rope_factor, dim = shape->head_dim;
    double growth = factor * length / original - (factor - 1.0);

    return (float)((double)shape->rope_theta *
                   pow(growth, dim / (dim - 2.0)));
}

static float llama3_frequency(const aci_shape *shape, float plain)
{
    float original = (float)shape->rope_original_context;
    float low = shape->rope_low_factor, high = shape->rope_high_factor;
    float factor = shape->rope_factor;
    float wavelength = (float)(2.0 * PI) / plain, smooth;

    if (wavelength < original / high)
        return plain;
    if (wavelength > original / low)
        return plain / factor;
    smooth = (original / wavelength - low) / (high - low);
    return (1.0f - smooth) * plain / factor + smooth * plain;
}

/* The pair that turns `rotations` times over the trained context. */
static double correction_pair(const aci_shape *shape, double rotations)
{
    return (double)shape->head_dim *
           log((double)shape->rope_original_context /
               (rotations * 2.0 * PI)) /
           (2.0 * log((double)shape->rope_theta));
}

static float yarn_frequency(const aci_shape *shape, int32_t i)
{
    float power = powf(shape->rope_theta,
                       (float)(2 * i) / (float)shape->head_dim);
    double low = floor(correction_pair(shape, (double)shape->rope_beta_fast));
    double high = ceil(correction_pair(shape, (double)shape->rope_beta_slow));
    float ramp;

    low = low < 0.0 ? 0.0 : low;
    high = high > shape->head_dim - 1 ? shape->head_dim - 1 : high;
    if (low == high)
        high += 0.001;
    ramp = ((float)i - (float)low) / (float)(high - low);
    ramp = ramp < 0.0f ? 0.0f : ramp > 1.0f ? 1.0f : ramp;
    ramp = 1.0f - ramp; /* 1: keep as trained; 0: stretch */
    return 1.0f / (shape->rope_factor * power) * (1.0f - ramp) +
           1.0f / power * ramp;
}

static float yarn_magnitude(const aci_shape *shape)
{
    if (shape->rope_attention_factor > 0.0f)
        return shape->rope_attention_factor;
    if (shape->rope_factor <= 1.0f)
        return 1.0f;
    return (float)(0.1 * log((double)shape->rope_factor) + 1.0);
}

void aci_model_rope_frequencies(float *inverse_frequency, float *magnitude,
                                const aci_shape *shape, int32_t n_context)
{
    float theta = shape->rope_theta;

    if (shape->rope_scaling == ACI_ROPE_DYNAMIC)
        theta = dynamic_theta(shape, n_context);
    for (int32_t i = 0; i < shape->head_dim / 2; i++) {
        float plain = plain_frequency(theta, i, shape->head_dim);

        if (shape->rope_scaling == ACI_ROPE_LINEAR)
            plain /= shape->rope_factor;
        else if (shape->rope_scaling == ACI_ROPE_LLAMA3)
            plain = llama3_frequency(shape, plain);
        else if (shape->rope_scaling == ACI_ROPE_YARN)
            plain = yarn_frequency(shape, i);
        inverse_frequency[i] = plain;
    }
    *magnitude = shape->rope_scaling == ACI_ROPE_YARN ? yarn_magnitude(shape)
                                                      : 1.0f;
}
