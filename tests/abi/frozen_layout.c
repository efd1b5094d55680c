/* frozen_layout.c - the public structs and numbers as released: where each
 * field lies on 64-bit machines, and what each constant is. A change here is a
 * change of the ABI: new lines may be added, none may be altered. */
#include <assert.h>
#include <stddef.h>

#include "agentcompress.h"

#define SIZE(type, bytes) \
    static_assert(sizeof(type) == (bytes), #type " changed size")
#define AT(type, field, offset) \
    static_assert(offsetof(type, field) == (offset), \
                  #type "." #field " moved")
#define IS(name, number) \
    static_assert((name) == (number), #name " changed")

/* ---- 0.1 ---- */

IS(AC_OK, 0);
IS(AC_E_ARGUMENT, -1);
IS(AC_E_NO_MEMORY, -2);
IS(AC_E_IO, -3);
IS(AC_E_FORMAT, -4);
IS(AC_E_UNSUPPORTED, -5);
IS(AC_E_NOT_FOUND, -6);
IS(AC_E_CONTEXT_FULL, -7);
IS(AC_E_CANCELLED, -8);
IS(AC_E_BUDGET, -9);
IS(AC_E_TOO_SMALL, -10);
IS(AC_E_DEVICE, -11);
IS(AC_E_BUSY, -12);
IS(AC_E_DISK_FULL, -13);
IS(AC_E_CHECKSUM, -14);
IS(AC_E_NUMERIC, -15);
IS(AC_E_INTERNAL, -16);
IS(AC_LOG_ERROR, 1);
IS(AC_LOG_WARNING, 2);
IS(AC_LOG_INFO, 3);
IS(AC_LEDGER_REFUSE, 0);
IS(AC_LEDGER_DROP, 1);
IS(AC_MAX_VARIANTS, 16);
IS(AC_REASON_CHEAPEST, 1);
IS(AC_REASON_LOW_CONFIDENCE, 2);
IS(AC_REASON_UNFAMILIAR, 3);
IS(AC_REASON_PINNED, 4);
IS(AC_REASON_BUDGET, 5);
IS(AC_REASON_NO_PREDICTOR, 6);
IS(AC_REASON_ESCALATED, 7);
IS(AC_SPECIAL_AS_TEXT, 0);
IS(AC_SPECIAL_PARSE, 1);
IS(AC_BASIS_SAME, 1);
IS(AC_BASIS_CARD, 2);
IS(AC_BASIS_ANALYTIC, 3);
IS(AC_ENERGY_NONE, 0);
IS(AC_ENERGY_RAPL, 1);
IS(AC_ENERGY_NVML, 2);
IS(AC_STOP_END, 1);
IS(AC_STOP_STRING, 2);
IS(AC_STOP_MAX_TOKENS, 3);
IS(AC_STOP_CONTEXT, 4);
IS(AC_STOP_BUDGET, 5);
IS(AC_STOP_CANCELLED, 6);
IS(AC_BY_TOTAL, 0);
IS(AC_BY_VARIANT, 1);
IS(AC_BY_DAY, 2);
IS(AC_BY_REASON, 3);

SIZE(ac_error, 512);
AT(ac_error, struct_size, 0);
AT(ac_error, status, 4);
AT(ac_error, message, 8);

SIZE(ac_open_options, 104);
AT(ac_open_options, struct_size, 0);
AT(ac_open_options, n_threads, 4);
AT(ac_open_options, memory_limit_bytes, 8);
AT(ac_open_options, device, 16);
AT(ac_open_options, ledger_path, 24);
AT(ac_open_options, price_book_path, 32);
AT(ac_open_options, price_name, 40);
AT(ac_open_options, on_log, 48);
AT(ac_open_options, log_user, 56);
AT(ac_open_options, allocate, 64);
AT(ac_open_options, release, 72);
AT(ac_open_options, allocator_user, 80);
AT(ac_open_options, ledger_policy, 88);
AT(ac_open_options, verify_checksums, 92);
AT(ac_open_options, cpu_level, 96);

SIZE(ac_engine_info, 112);
AT(ac_engine_info, struct_size, 0);
AT(ac_engine_info, n_variants, 4);
AT(ac_engine_info, full_variant, 8);
AT(ac_engine_info, n_threads, 12);
AT(ac_engine_info, n_layer, 16);
AT(ac_engine_info, n_embd, 20);
AT(ac_engine_info, n_head, 24);
AT(ac_engine_info, n_head_kv, 28);
AT(ac_engine_info, n_vocab, 32);
AT(ac_engine_info, n_context, 36);
AT(ac_engine_info, n_parameters, 40);
AT(ac_engine_info, mapped_bytes, 48);
AT(ac_engine_info, allocated_bytes, 56);
AT(ac_engine_info, ledger_drops, 64);
AT(ac_engine_info, name, 72);
AT(ac_engine_info, architecture, 80);
AT(ac_engine_info, device, 88);
AT(ac_engine_info, chat_template, 96);
AT(ac_engine_info, has_predictor, 104);
AT(ac_engine_info, is_checkpoint, 108);

SIZE(ac_variant_info, 96);
AT(ac_variant_info, struct_size, 0);
AT(ac_variant_info, index, 4);
AT(ac_variant_info, name, 8);
AT(ac_variant_info, weight_bits, 40);
AT(ac_variant_info, activation_bits, 44);
AT(ac_variant_info, bytes_per_token, 48);
AT(ac_variant_info, macs_per_token, 56);
AT(ac_variant_info, cost_ratio, 64);
AT(ac_variant_info, kl_divergence, 72);
AT(ac_variant_info, perplexity, 80);
AT(ac_variant_info, success_rate, 88);

SIZE(ac_route_options, 32);
AT(ac_route_options, struct_size, 0);
AT(ac_route_options, max_tokens, 4);
AT(ac_route_options, min_confidence, 8);
AT(ac_route_options, max_unfamiliarity, 12);
AT(ac_route_options, variant, 16);
AT(ac_route_options, budget_nanodollars, 24);

SIZE(ac_decision, 152);
AT(ac_decision, struct_size, 0);
AT(ac_decision, variant, 4);
AT(ac_decision, variant_name, 8);
AT(ac_decision, reason, 40);
AT(ac_decision, n_variants, 44);
AT(ac_decision, confidence, 48);
AT(ac_decision, unfamiliarity, 52);
AT(ac_decision, success, 56);
AT(ac_decision, expected_nanodollars, 120);
AT(ac_decision, full_nanodollars, 128);
AT(ac_decision, router_nanoseconds, 136);
AT(ac_decision, prompt_hash, 144);

SIZE(ac_session_options, 16);
AT(ac_session_options, struct_size, 0);
AT(ac_session_options, n_context, 4);
AT(ac_session_options, kv_bits, 8);
AT(ac_session_options, reserved, 12);

SIZE(ac_logit_bias, 8);
AT(ac_logit_bias, token, 0);
AT(ac_logit_bias, bias, 4);

SIZE(ac_generate_options, 136);
AT(ac_generate_options, struct_size, 0);
AT(ac_generate_options, max_tokens, 4);
AT(ac_generate_options, temperature, 8);
AT(ac_generate_options, top_k, 12);
AT(ac_generate_options, top_p, 16);
AT(ac_generate_options, min_p, 20);
AT(ac_generate_options, repetition_penalty, 24);
AT(ac_generate_options, frequency_penalty, 28);
AT(ac_generate_options, presence_penalty, 32);
AT(ac_generate_options, penalty_window, 36);
AT(ac_generate_options, seed, 40);
AT(ac_generate_options, stop, 48);
AT(ac_generate_options, n_stop, 56);
AT(ac_generate_options, n_logit_bias, 60);
AT(ac_generate_options, logit_bias, 64);
AT(ac_generate_options, n_logprobs, 72);
AT(ac_generate_options, special, 76);
AT(ac_generate_options, ignore_end, 80);
AT(ac_generate_options, speculate, 84);
AT(ac_generate_options, keep_session, 88);
AT(ac_generate_options, min_confidence, 92);
AT(ac_generate_options, variant, 96);
AT(ac_generate_options, budget_nanodollars, 104);
AT(ac_generate_options, on_text, 112);
AT(ac_generate_options, text_user, 120);
AT(ac_generate_options, label, 128);

SIZE(ac_usage, 128);
AT(ac_usage, struct_size, 0);
AT(ac_usage, variant, 4);
AT(ac_usage, prompt_tokens, 8);
AT(ac_usage, cached_tokens, 12);
AT(ac_usage, generated_tokens, 16);
AT(ac_usage, draft_tokens, 20);
AT(ac_usage, accepted_tokens, 24);
AT(ac_usage, reserved, 28);
AT(ac_usage, macs, 32);
AT(ac_usage, bit_operations, 40);
AT(ac_usage, bytes_moved, 48);
AT(ac_usage, queue_nanoseconds, 56);
AT(ac_usage, route_nanoseconds, 64);
AT(ac_usage, prefill_nanoseconds, 72);
AT(ac_usage, decode_nanoseconds, 80);
AT(ac_usage, microjoules, 88);
AT(ac_usage, nanodollars, 96);
AT(ac_usage, full_nanodollars, 104);
AT(ac_usage, full_nanoseconds, 112);
AT(ac_usage, full_basis, 120);
AT(ac_usage, energy_source, 124);

SIZE(ac_logprob, 8);
AT(ac_logprob, token, 0);
AT(ac_logprob, logprob, 4);

SIZE(ac_result, 80);
AT(ac_result, struct_size, 0);
AT(ac_result, stop_reason, 4);
AT(ac_result, text, 8);
AT(ac_result, text_bytes, 16);
AT(ac_result, tokens, 24);
AT(ac_result, token_logprobs, 32);
AT(ac_result, top_logprobs, 40);
AT(ac_result, n_tokens, 48);
AT(ac_result, n_logprobs, 52);
AT(ac_result, request_id, 56);
AT(ac_result, decision, 64);
AT(ac_result, usage, 72);

SIZE(ac_message, 16);
AT(ac_message, role, 0);
AT(ac_message, content, 8);

SIZE(ac_ledger_entry, 72);
AT(ac_ledger_entry, struct_size, 0);
AT(ac_ledger_entry, settled, 4);
AT(ac_ledger_entry, request_id, 8);
AT(ac_ledger_entry, wall_nanoseconds, 16);
AT(ac_ledger_entry, reserved_nanodollars, 24);
AT(ac_ledger_entry, success, 32);
AT(ac_ledger_entry, stop_reason, 36);
AT(ac_ledger_entry, variant_name, 40);
AT(ac_ledger_entry, label, 48);
AT(ac_ledger_entry, decision, 56);
AT(ac_ledger_entry, usage, 64);

SIZE(ac_ledger_totals, 160);
AT(ac_ledger_totals, struct_size, 0);
AT(ac_ledger_totals, reserved, 4);
AT(ac_ledger_totals, group, 8);
AT(ac_ledger_totals, n_requests, 16);
AT(ac_ledger_totals, n_unsettled, 24);
AT(ac_ledger_totals, n_success, 32);
AT(ac_ledger_totals, n_failure, 40);
AT(ac_ledger_totals, prompt_tokens, 48);
AT(ac_ledger_totals, cached_tokens, 56);
AT(ac_ledger_totals, generated_tokens, 64);
AT(ac_ledger_totals, macs, 72);
AT(ac_ledger_totals, bit_operations, 80);
AT(ac_ledger_totals, bytes_moved, 88);
AT(ac_ledger_totals, device_nanoseconds, 96);
AT(ac_ledger_totals, route_nanoseconds, 104);
AT(ac_ledger_totals, full_nanoseconds, 112);
AT(ac_ledger_totals, microjoules, 120);
AT(ac_ledger_totals, n_energy, 128);
AT(ac_ledger_totals, nanodollars, 136);
AT(ac_ledger_totals, full_nanodollars, 144);
AT(ac_ledger_totals, n_unpriced, 152);

SIZE(ac_progress, 48);
AT(ac_progress, struct_size, 0);
AT(ac_progress, reserved, 4);
AT(ac_progress, stage, 8);
AT(ac_progress, done, 16);
AT(ac_progress, total, 24);
AT(ac_progress, seconds, 32);
AT(ac_progress, loss, 40);

SIZE(ac_compress_options, 80);
AT(ac_compress_options, struct_size, 0);
AT(ac_compress_options, n_threads, 4);
AT(ac_compress_options, memory_limit_bytes, 8);
AT(ac_compress_options, variants, 16);
AT(ac_compress_options, predictor_path, 24);
AT(ac_compress_options, group, 32);
AT(ac_compress_options, overwrite, 36);
AT(ac_compress_options, on_progress, 40);
AT(ac_compress_options, progress_user, 48);
AT(ac_compress_options, on_log, 56);
AT(ac_compress_options, log_user, 64);
AT(ac_compress_options, seed, 72);

SIZE(ac_measure_options, 56);
AT(ac_measure_options, struct_size, 0);
AT(ac_measure_options, n_threads, 4);
AT(ac_measure_options, device, 8);
AT(ac_measure_options, text_path, 16);
AT(ac_measure_options, n_prompt, 24);
AT(ac_measure_options, n_generate, 28);
AT(ac_measure_options, n_runs, 32);
AT(ac_measure_options, reserved, 36);
AT(ac_measure_options, on_progress, 40);
AT(ac_measure_options, progress_user, 48);

SIZE(ac_train_options, 40);
AT(ac_train_options, struct_size, 0);
AT(ac_train_options, n_prefix_tokens, 4);
AT(ac_train_options, max_epochs, 8);
AT(ac_train_options, test_share, 12);
AT(ac_train_options, seed, 16);
AT(ac_train_options, on_progress, 24);
AT(ac_train_options, progress_user, 32);

SIZE(ac_train_report, 120);
AT(ac_train_report, struct_size, 0);
AT(ac_train_report, n_parameters, 4);
AT(ac_train_report, n_train, 8);
AT(ac_train_report, n_calibrate, 12);
AT(ac_train_report, n_test, 16);
AT(ac_train_report, n_variants, 20);
AT(ac_train_report, auroc, 24);
AT(ac_train_report, brier, 32);
AT(ac_train_report, ece, 40);
AT(ac_train_report, apgr, 48);
AT(ac_train_report, apgr_random, 56);
AT(ac_train_report, apgr_length, 64);
AT(ac_train_report, apgr_logistic, 72);
AT(ac_train_report, apgr_oracle, 80);
AT(ac_train_report, auroc_length, 88);
AT(ac_train_report, auroc_logistic, 96);
AT(ac_train_report, share_full_at_threshold, 104);
AT(ac_train_report, retention_at_threshold, 112);
