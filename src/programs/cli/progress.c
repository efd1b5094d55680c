/* progress.c - one line that says how far long work is. */
#include <math.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

/* Redrawn at most this often; where it is no terminal, a line each. */
#define INTERVAL_SECONDS 0.1
#define LINE_SECONDS 30.0

/* An estimate of the whole may be passed: training ends with its batch. */
static uint64_t remaining(const ac_progress *p)
{
    return p->total > p->done ? p->total - p->done : 0;
}

/* What is copied is counted in bytes. */
static const char *format_rate(char out[32], const ac_progress *p,
                               double rate)
{
    if (strcmp(p->stage, "upload") == 0)
        return format_bytes(out, rate);
    snprintf(out, 32, rate < 10.0 ? "%.3g" : "%.0f", rate);
    return out;
}

static void draw_line(const ac_progress *p, const progress_state *state)
{
    enum { WIDTH = 24 };
    double elapsed = p->seconds - state->stage_began;
    double rate = elapsed > 0.0 ? (double)p->done / elapsed : 0.0, share;
    char left[32] = "", bar[WIDTH + 1], loss[32] = "", each[32];
    int filled, i;

    if (isfinite(p->loss) && p->loss != 0.0)
        snprintf(loss, sizeof loss, "  loss %.4f",
                 without_sign(p->loss, 4));
    if (p->total == 0) {
        fprintf(stderr, "\r%-12s %llu  %s/s%s\033[K", p->stage,
                (unsigned long long)p->done, format_rate(each, p, rate),
                loss);
        return;
    }
    share = 1.0 - (double)remaining(p) / (double)p->total;
    filled = (int)(WIDTH * share);
    for (i = 0; i < WIDTH; i++)
        bar[i] = i < filled ? '#' : '.';
    bar[WIDTH] = '\0';
    if (rate > 0.0)
        format_seconds(left, (double)remaining(p) / rate);
    fprintf(stderr, "\r%-12s [%s] %3.0f%%  %s/s%s  %s left\033[K",
            p->stage, bar, 100.0 * share, format_rate(each, p, rate), loss,
            left);
}

/* For a log: "order 32 of 100, 0.1/s, 11 min left". */
static void write_line(const ac_progress *p, const progress_state *state)
{
    double elapsed = p->seconds - state->stage_began;
    double rate = elapsed > 0.0 ? (double)p->done / elapsed : 0.0;
    char left[32] = "?", each[32];

    if (rate > 0.0 && p->total > 0)
        format_seconds(left, (double)remaining(p) / rate);
    fprintf(stderr, "%s %llu of %llu, %s/s, %s left\n", p->stage,
            (unsigned long long)p->done, (unsigned long long)p->total,
            format_rate(each, p, rate), left);
}

int32_t draw_progress(const ac_progress *progress, void *user)
{
    progress_state *state = user;
    bool new_stage = strcmp(state->stage, progress->stage) != 0;

    if (new_stage) {
        end_progress(state);
        snprintf(state->stage, sizeof state->stage, "%s", progress->stage);
        state->stage_began = progress->seconds;
        state->drawn_at = -1.0;
        if (!state->quiet && !isatty(STDERR_FILENO)) {
            fprintf(stderr, "%s\n", state->stage);
            state->drawn_at = progress->seconds;
        }
    }
    if (!state->quiet && !isatty(STDERR_FILENO) &&
        progress->seconds - state->drawn_at >= LINE_SECONDS) {
        write_line(progress, state);
        state->drawn_at = progress->seconds;
    }
    if (!state->quiet && isatty(STDERR_FILENO) &&
        (progress->seconds - state->drawn_at >= INTERVAL_SECONDS ||
         progress->done == progress->total)) {
        draw_line(progress, state);
        state->drawn_at = progress->seconds;
        state->line_open = true;
    }
    return was_interrupted() ? 1 : 0;
}

void end_progress(progress_state *state)
{
    if (state->line_open)
        fputc('\n', stderr);
    state->line_open = false;
}

double progress_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}
