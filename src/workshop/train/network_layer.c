/* network_layer.c - one layer of the network, forward and backward, in the
 * order of engine/forward.c:
 *
 *     n1 = norm(x)        qkv = n1 Wqkv'   rotate   a = attend(qkv)
 *     middle = x + a Wo'
 *     n2 = norm(middle)   h = silu(n2 Wgate') * (n2 Wup')
 *     out = middle + h Wdown'
 *
 * The sums are left to the norm that reads them: x and branch travel apart. Of
 * a layer that lacks a half the other runs as it would, on x; one that lacks
 * both only adds. */
#include "workshop/train/network_internal.h"

static aci_training_rotation rotation(const aci_network *network,
                                      const aci_network_layer *layer,
                                      aci_real *qkv)
{
    const aci_shape *shape = &network->shape;
    aci_training_rotation r = {
        .qkv = qkv,
        .raw = layer->raw,
        .scale = layer->head_scale,
        .q_norm = layer->q_norm.value,
        .k_norm = layer->k_norm.value,
        .d_q_norm = layer->q_norm.gradient,
        .d_k_norm = layer->k_norm.gradient,
        .cosine = network->cosine,
        .sine = network->sine,
        .positions = network->positions,
        .n_rows = network->n_tokens,
        .stride = layer->qkv_width,
        .n_head = layer->plan.n_head,
        .n_head_kv = layer->plan.n_head_kv,
        .head_dim = shape->head_dim,
        .interleaved = shape->rope_interleaved,
        .eps = shape->norm_eps,
    };

    return r;
}

static aci_training_attention attention(const aci_network *network,
                                        const aci_network_layer *layer)
{
    const aci_shape *shape = &network->shape;
    aci_training_attention a = {
        .qkv = layer->qkv_out,
        .out = layer->attended,
        .log_sum = layer->log_sum,
        .d_out = network->d_attended,
        .d_qkv = network->d_qkv,
        .starts = network->starts,
        .n_tokens = network->n_tokens,
        .stride = layer->qkv_width,
        .n_documents = network->n_documents,
        .longest = network->longest,
        .n_head = layer->plan.n_head,
        .n_head_kv = layer->plan.n_head_kv,
        .head_dim = shape->head_dim,
        .window = shape->window,
        .scale = network->attention_scale,
    };

    return a;
}

static aci_training_norm norm_of(const aci_network *network,
                                 const aci_weights *weight, aci_real *out,
                                 aci_real *scale)
{
    aci_training_norm n = {
        .out = out,
        .scale = scale,
        .weight = weight->value,
        .d_weight = weight->gradient,
        .n_rows = network->n_tokens,
        .width = network->shape.n_embd,
        .eps = network->shape.norm_eps,
    };

    return n;
}

static void norm(aci_network *network, const aci_weights *weight,
                 aci_real *sum, aci_real *out, aci_real *scale,
                 const aci_real *x, const aci_real *branch)
{
    aci_training_norm n = norm_of(network, weight, out, scale);

    n.x = x;
    n.branch = branch;
    n.sum = sum;
    network->training->operations->norm(network->training, &n);
}

static void norm_backward(aci_network *network, const aci_weights *weight,
                          aci_real *scale, const aci_real *x)
{
    aci_training_norm n = norm_of(network, weight, NULL, scale);

    n.x = x;
    n.d_out = network->d_normal;
    n.d_x = network->d_x;
    network->training->operations->norm_backward(network->training, &n);
}

void aci_workshop_end_forward(aci_network *network, aci_real *sum,
                              const aci_real *x)
{
    norm(network, &network->final_norm, sum, network->end_normal,
         network->end_scale, x, network->branch);
}

void aci_workshop_end_backward(aci_network *network)
{
    norm_backward(network, &network->final_norm, network->end_scale,
                  network->end);
}

/* layer->x = x + branch, and the attention of it into network->branch. */
static void attention_forward(aci_network *network, aci_network_layer *layer,
                              const aci_real *x, const aci_real *branch)
{
    aci_training *training = network->training;
    aci_training_rotation turned = rotation(network, layer, layer->qkv_out);
    aci_training_attention attended = attention(network, layer);

    norm(network, &layer->attn_norm, layer->x, layer->normal_1,
         layer->scale_1, x, branch);
    aci_workshop_project(network, layer->qkv_out, &layer->qkv,
                         layer->normal_1);
    training->operations->rotate(training, &turned);
    training->operations->attend(training, &attended);
    aci_workshop_project(network, network->branch, &layer->o,
                         layer->attended);
}

/* layer->middle = x + branch, and the feed-forward of it into
 * network->branch. */
static void feed_forward(aci_network *network, aci_network_layer *layer,
                         const aci_real *x, const aci_real *branch)
{
    aci_training *training = network->training;
    aci_training_gate gate = { .gate_up = layer->gate_up_out,
                               .hidden = network->hidden,
                               .n_rows = network->n_tokens,
                               .width = layer->plan.n_ff };

    norm(network, &layer->ffn_norm, layer->middle, layer->normal_2,
         layer->scale_2, x, branch);
    aci_workshop_project(network, layer->gate_up_out, &layer->gate_up,
                         layer->normal_2);
    training->operations->gate(training, &gate);
    aci_workshop_project(network, network->branch, &layer->down,
                         network->hidden);
}

/* layer->x = x + branch, which a norm leaves beside its own result, and nothing
 * more to add. */
static void add_only(aci_network *network, aci_network_layer *layer,
                     const aci_real *x, const aci_real *branch)
{
    norm(network, &network->final_norm, layer->x, network->end_normal,
         network->end_scale, x, branch);
    network->training->operations->zero(
        network->training, network->branch,
        (size_t)network->n_tokens * (size_t)network->shape.n_embd *
            sizeof(aci_real));
}

void aci_workshop_layer_forward(aci_network *network, int32_t l,
                                const aci_real *x, const aci_real *branch)
{
    aci_network_layer *layer = &network->layers[l];
    const aci_layer_plan *plan = &layer->plan;

    if (plan->n_head_kv == 0 && plan->n_ff == 0) {
        add_only(network, layer, x, branch);
        return;
    }
    if (plan->n_head_kv > 0) {
        attention_forward(network, layer, x, branch);
        x = layer->x;
        branch = network->branch;
    }
    if (plan->n_ff > 0)
        feed_forward(network, layer, x, branch);
}

static void feed_forward_backward(aci_network *network,
                                  aci_network_layer *layer)
{
    aci_training_gate gate = { .gate_up = layer->gate_up_out,
                               .hidden = network->hidden,
                               .d_gate_up = layer->gate_up_out,
                               .n_rows = network->n_tokens,
                               .width = layer->plan.n_ff };

    aci_workshop_project_back(network, network->hidden, &layer->down,
                              network->d_x);
    network->training->operations->gate_backward(network->training, &gate);
    aci_workshop_project_learn(network, &layer->down, network->hidden,
                               network->d_x);
    aci_workshop_project_back(network, network->d_normal, &layer->gate_up,
                              layer->gate_up_out);
    aci_workshop_project_learn(network, &layer->gate_up, layer->normal_2,
                               layer->gate_up_out);
    norm_backward(network, &layer->ffn_norm, layer->scale_2, layer->middle);
}

static void attention_backward(aci_network *network, aci_network_layer *layer)
{
    aci_training *training = network->training;
    aci_training_attention attended = attention(network, layer);
    aci_training_rotation turned = rotation(network, layer, network->d_qkv);

    aci_workshop_project_back(network, network->d_attended, &layer->o,
                              network->d_x);
    aci_workshop_project_learn(network, &layer->o, layer->attended,
                               network->d_x);
    training->operations->attend_backward(training, &attended);
    training->operations->rotate_backward(training, &turned);
    aci_workshop_project_back(network, network->d_normal, &layer->qkv,
                              network->d_qkv);
    aci_workshop_project_learn(network, &layer->qkv, layer->normal_1,
                               network->d_qkv);
    norm_backward(network, &layer->attn_norm, layer->scale_1, layer->x);
}

void aci_workshop_layer_backward(aci_network *network, int32_t l)
{
    aci_network_layer *layer = &network->layers[l];

    if (network->options.recompute)
        aci_workshop_layer_forward(network, l, layer->x, NULL);
    if (layer->plan.n_ff > 0)
        feed_forward_backward(network, layer);
    if (layer->plan.n_head_kv > 0)
        attention_backward(network, layer);
}
