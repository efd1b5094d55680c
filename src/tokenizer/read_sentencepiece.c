/* read_sentencepiece.c - tokenizer.model: the few fields we need of the
 * ModelProto message, read by hand.
 *
 *     ModelProto      1 pieces*  2 trainer_spec  3 normalizer_spec
 *     SentencePiece   1 piece (bytes)  2 score (float)  3 type (enum)
 *     TrainerSpec     3 model_type (2 is BPE)  40 unk_id 41 bos_id 42 eos_id
 *     NormalizerSpec  2 precompiled_charsmap  3 add_dummy_prefix
 *                     4 remove_extra_whitespaces
 *
 * A protobuf field is a varint key (number << 3 | wire type) and its value. */
#include <string.h>

#include "platform/error.h"
#include "platform/half.h"
#include "tokenizer/draft.h"

typedef struct slice {
    const uint8_t *at, *end;
} slice;

typedef struct field {
    uint32_t number, wire;           /* 0 varint, 1 64, 2 bytes, 5 32 bits */
    uint64_t value;
    slice bytes;
} field;

typedef struct piece {
    const char *text;
    size_t n_bytes;
    float score;
    int32_t type;
} piece;

typedef struct model {
    piece *pieces;
    size_t n, capacity;
    int64_t unk, bos, eos, model_type;
    int add_prefix, remove_spaces;
    size_t charsmap_bytes;
} model;

static bool read_varint(slice *in, uint64_t *value)
{
    int shift;

    *value = 0;
    for (shift = 0; shift < 64 && in->at < in->end; shift += 7) {
        uint8_t byte = *in->at++;
        *value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return true;
    }
    return false;
}

/* Next field; false when the message is malformed. */
static bool read_field(slice *in, field *out)
{
    uint64_t key, n_bytes;

    if (!read_varint(in, &key) || key >> 3 == 0 || key >> 3 > 0x1FFFFFFF)
        return false;
    out->number = (uint32_t)(key >> 3);
    out->wire = (uint32_t)(key & 7);
    out->value = 0;
    switch (out->wire) {
    case 0:
        return read_varint(in, &out->value);
    case 1:
    case 5:
        n_bytes = out->wire == 1 ? 8 : 4;
        if ((uint64_t)(in->end - in->at) < n_bytes)
            return false;
        memcpy(&out->value, in->at, (size_t)n_bytes);
        in->at += n_bytes;
        return true;
    case 2:
        if (!read_varint(in, &n_bytes) ||
            n_bytes > (uint64_t)(in->end - in->at))
            return false;
        out->bytes.at = in->at;
        out->bytes.end = in->at += n_bytes;
        return true;
    default:
        return false;
    }
}

static bool read_piece(slice in, piece *out)
{
    field f;

    memset(out, 0, sizeof *out);
    out->text = "";
    out->type = 1;
    while (in.at < in.end) {
        if (!read_field(&in, &f))
            return false;
        if (f.number == 1 && f.wire == 2) {
            out->text = (const char *)f.bytes.at;
            out->n_bytes = (size_t)(f.bytes.end - f.bytes.at);
        } else if (f.number == 2 && f.wire == 5) {
            out->score = aci_platform_f32_from_bits((uint32_t)f.value);
        } else if (f.number == 3 && f.wire == 0) {
            out->type = f.value > 6 ? 0 : (int32_t)f.value;
        }
    }
    return true;
}

static bool read_trainer(slice in, model *m)
{
    field f;

    while (in.at < in.end) {
        if (!read_field(&in, &f))
            return false;
        if (f.wire != 0)
            continue;
        if (f.number == 3)
            m->model_type = (int64_t)f.value;
        else if (f.number == 40)
            m->unk = (int64_t)f.value;
        else if (f.number == 41)
            m->bos = (int64_t)f.value;
        else if (f.number == 42)
            m->eos = (int64_t)f.value;
    }
    return true;
}

static bool read_normalizer(slice in, model *m)
{
    field f;

    while (in.at < in.end) {
        if (!read_field(&in, &f))
            return false;
        if (f.number == 2 && f.wire == 2)
            m->charsmap_bytes = (size_t)(f.bytes.end - f.bytes.at);
        else if (f.number == 3 && f.wire == 0)
            m->add_prefix = f.value != 0;
        else if (f.number == 4 && f.wire == 0)
            m->remove_spaces = f.value != 0;
    }
    return true;
}

static ac_status add_piece(model *m, aci_memory *memory, slice in,
                           ac_error *error)
{
    if (m->n == m->capacity) {
        size_t capacity = m->capacity + m->capacity / 2 + 1024;
        piece *bigger = aci_platform_realloc(memory, m->pieces,
                                             capacity * sizeof *bigger);
        if (bigger == NULL)
            return aci_platform_fail_memory(error, "the vocabulary");
        m->pieces = bigger;
        m->capacity = capacity;
    }
    if (m->n >= ACI_ACT_MAX_TOKENS || !read_piece(in, &m->pieces[m->n]))
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "piece %zu was malformed", m->n);
    m->n++;
    return AC_OK;
}

static ac_status read_model(model *m, aci_memory *memory, slice in,
                            ac_error *error)
{
    ac_status status = AC_OK;
    field f;

    while (in.at < in.end && status == AC_OK) {
        bool good = read_field(&in, &f);

        if (good && f.wire == 2) {
            if (f.number == 1)
                status = add_piece(m, memory, f.bytes, error);
            else if (f.number == 2)
                good = read_trainer(f.bytes, m);
            else if (f.number == 3)
                good = read_normalizer(f.bytes, m);
        }
        if (!good)
            return aci_platform_fail(error, AC_E_FORMAT,
                                     "it was no SentencePiece model");
    }
    if (status != AC_OK)
        return status;
    if (m->model_type != 2)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "SentencePiece models other than BPE cannot "
                                 "be run");
    if (m->charsmap_bytes > 0 || m->remove_spaces)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "SentencePiece models that rewrite their "
                                 "text cannot be run");
    return AC_OK;
}

static int give_token(void *context, size_t i, const char **text,
                      size_t *n_bytes, float *score, int32_t *type)
{
    const model *m = context;

    *text = m->pieces[i].text;
    *n_bytes = m->pieces[i].n_bytes;
    *score = m->pieces[i].score;
    *type = m->pieces[i].type;
    return 1;
}

/* -1 is written as a ten-byte varint. */
static int32_t id_of(int64_t value)
{
    return value < 0 || value > INT32_MAX ? -1 : (int32_t)value;
}

ac_status aci_tokenizer_read_sentencepiece(aci_draft *draft, const char *path,
                                           ac_error *error)
{
    model m = { .unk = 0, .bos = 1, .eos = 2, .model_type = 1,
                .add_prefix = 1, .remove_spaces = 1 };
    aci_vocabulary_source source;
    aci_mapping mapping = { NULL, 0 };
    slice all;
    ac_status status = aci_platform_map(&mapping, path, error);

    if (status != AC_OK)
        return status;
    all.at = mapping.data;
    all.end = mapping.size == 0 ? all.at : all.at + mapping.size;
    status = read_model(&m, draft->memory, all, error);
    if (status == AC_OK) {
        memset(&source, 0, sizeof source);
        source.context = &m;
        source.n_tokens = m.n;
        source.token = give_token;
        source.model = "llama";
        source.bos = id_of(m.bos);
        source.eos = id_of(m.eos);
        source.unknown = id_of(m.unk);
        source.add_bos = source.add_eos = -1;
        source.add_space_prefix = m.add_prefix;
        status = aci_tokenizer_read_vocabulary(draft, &source, error);
    }
    if (status != AC_OK)
        aci_platform_fail_within(error, status, path);
    aci_platform_free(draft->memory, m.pieces);
    aci_platform_unmap(&mapping);
    return status;
}
