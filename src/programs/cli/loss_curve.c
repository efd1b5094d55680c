/* loss_curve.c - a training log as a curve: SVG, no script, readable in light
 * and dark. The loss of every step is drawn thin, its running mean thick, what
 * was held out as dots on a line. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

enum { WIDTH = 760, HEIGHT = 420, LEFT = 64, RIGHT = 20, TOP = 24,
       BOTTOM = 48, MAX_POINTS = 1200 };

typedef struct curve_point {
    double step, loss, smooth, held_out; /* NaN: none */
} curve_point;

typedef struct curve {
    curve_point *points;
    size_t n, capacity;
    double first, last, least, most; /* of the axes */
    bool log_steps;
} curve;

/* step,tokens,seconds,lr,loss,grad_norm,held_out */
static bool read_line(curve_point *out, char *line)
{
    char *field[7], *at = line;
    int n = 0;

    while (n < 7 && at != NULL) {
        field[n++] = at;
        at = strchr(at, ',');
        if (at != NULL)
            *at++ = '\0';
    }
    if (n < 7 || field[0][0] < '0' || field[0][0] > '9')
        return false;
    out->step = strtod(field[0], NULL);
    out->loss = strtod(field[4], NULL);
    out->held_out = field[6][0] >= '0' && field[6][0] <= '9'
                        ? strtod(field[6], NULL) : NAN;
    return isfinite(out->loss) && out->step >= 1.0;
}

static bool append(curve *c, const curve_point *point)
{
    if (c->n == c->capacity) {
        size_t larger = c->capacity * 2 + 1024;
        curve_point *points = realloc(c->points, larger * sizeof *points);

        if (points == NULL)
            return false;
        c->points = points;
        c->capacity = larger;
    }
    c->points[c->n++] = *point;
    return true;
}

static int read_curve(curve *c, const char *path)
{
    FILE *file = fopen(path, "r");
    char line[512];

    if (file == NULL) {
        fprintf(stderr, "agentcompress: cannot read %s\n", path);
        return EXIT_MISSING;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        curve_point point;

        if (read_line(&point, line) && !append(c, &point)) {
            fclose(file);
            fprintf(stderr, "agentcompress: out of memory\n");
            return EXIT_RESOURCES;
        }
    }
    fclose(file);
    if (c->n >= 2)
        return -1;
    fprintf(stderr, "agentcompress: %s is no training log of two steps or "
            "more\n", path);
    return EXIT_MALFORMED;
}

/* A running mean over a fiftieth of the run, forth and back so that it does
 * not lag. */
static void smooth(curve *c)
{
    double keep = exp(-100.0 / (double)(c->n + 100)), mean;
    size_t i;

    mean = c->points[0].loss;
    for (i = 0; i < c->n; i++) {
        mean = keep * mean + (1.0 - keep) * c->points[i].loss;
        c->points[i].smooth = mean;
    }
    mean = c->points[c->n - 1].smooth;
    for (i = c->n; i-- > 0;) {
        mean = keep * mean + (1.0 - keep) * c->points[i].loss;
        c->points[i].smooth = 0.5 * (c->points[i].smooth + mean);
    }
}

static void find_range(curve *c)
{
    size_t i;

    c->first = c->log_steps ? c->points[0].step : 0.0;
    c->last = c->points[c->n - 1].step;
    c->least = c->most = c->points[0].loss;
    for (i = 0; i < c->n; i++) {
        const curve_point *p = &c->points[i];

        c->least = fmin(c->least, fmin(p->loss, p->held_out));
        c->most = fmax(c->most, fmax(p->loss, p->held_out));
    }
    if (c->last <= c->first)
        c->last = c->first + 1.0;
    if (c->most - c->least < 1e-6)
        c->most = c->least + 1e-6;
}

static double x_of(const curve *c, double step)
{
    double share = c->log_steps ? log(step / c->first) /
                                      log(c->last / c->first)
                                : (step - c->first) / (c->last - c->first);

    return LEFT + share * (WIDTH - LEFT - RIGHT);
}

static double y_of(const curve *c, double loss)
{
    return TOP + (c->most - loss) / (c->most - c->least) *
                     (HEIGHT - TOP - BOTTOM);
}

/* 1, 2 or 5 times a power of ten, giving four to nine parts. */
static double tick_of(double range)
{
    double tick = pow(10.0, floor(log10(range)));

    if (range / tick < 2.0)
        return tick / 5.0;
    return range / tick < 5.0 ? tick / 2.0 : tick;
}

static void draw_tick(FILE *out, const curve *c, double step)
{
    fprintf(out, "<line x1='%.1f' y1='%d' x2='%.1f' y2='%d'/>"
            "<text x='%.1f' y='%d' text-anchor='middle'>%.0f</text>\n",
            x_of(c, step), TOP, x_of(c, step), HEIGHT - BOTTOM, x_of(c, step),
            HEIGHT - BOTTOM + 18, step);
}

static void draw_axes(FILE *out, const curve *c)
{
    double tick = tick_of(c->most - c->least), at;
    int decimals = tick >= 1.0 ? 0 : tick >= 0.1 ? 1 : tick >= 0.01 ? 2 : 4;

    fprintf(out, "<g class='a'>\n");
    for (at = ceil(c->least / tick) * tick; at <= c->most; at += tick)
        fprintf(out, "<line x1='%d' y1='%.1f' x2='%d' y2='%.1f'/>"
                "<text x='%d' y='%.1f' text-anchor='end'>%.*f</text>\n",
                LEFT, y_of(c, at), WIDTH - RIGHT, y_of(c, at), LEFT - 8,
                y_of(c, at) + 4.0, decimals, fabs(at));
    if (c->log_steps) {
        for (at = pow(10.0, ceil(log10(c->first))); at <= c->last; at *= 10.0)
            draw_tick(out, c, at);
    } else {
        tick = fmax(tick_of(c->last - c->first), 1.0);
        for (at = 0.0; at <= c->last; at += tick)
            draw_tick(out, c, at);
    }
    fprintf(out, "<text x='%d' y='%d' text-anchor='middle'>step%s</text>\n"
            "<text transform='translate(16,%d) rotate(-90)' "
            "text-anchor='middle'>loss, nats per token</text>\n</g>\n",
            (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10,
            c->log_steps ? " (logarithmic)" : "",
            (TOP + HEIGHT - BOTTOM) / 2);
}

/* Of long runs every so many points. */
static void draw_line(FILE *out, const curve *c, const char *class,
                      bool is_smooth)
{
    size_t every = c->n / MAX_POINTS + 1, i;

    fprintf(out, "<polyline class='%s' points='", class);
    for (i = 0; i < c->n; i++)
        if (i % every == 0 || i == c->n - 1)
            fprintf(out, "%.1f,%.1f ", x_of(c, c->points[i].step),
                    y_of(c, is_smooth ? c->points[i].smooth
                                      : c->points[i].loss));
    fprintf(out, "'/>\n");
}

static size_t draw_held_out(FILE *out, const curve *c)
{
    size_t n = 0, i;

    fprintf(out, "<polyline class='h' points='");
    for (i = 0; i < c->n; i++)
        if (isfinite(c->points[i].held_out)) {
            fprintf(out, "%.1f,%.1f ", x_of(c, c->points[i].step),
                    y_of(c, c->points[i].held_out));
            n++;
        }
    fprintf(out, "'/>\n");
    for (i = 0; i < c->n; i++)
        if (isfinite(c->points[i].held_out))
            fprintf(out, "<circle class='h' cx='%.1f' cy='%.1f' r='2.5'/>\n",
                    x_of(c, c->points[i].step),
                    y_of(c, c->points[i].held_out));
    return n;
}

static void draw_legend(FILE *out, const curve *c, size_t n_held_out)
{
    int x = WIDTH - RIGHT - 190, y = TOP + 18;
    double held_out = NAN;
    size_t i;

    for (i = 0; i < c->n; i++)
        if (isfinite(c->points[i].held_out))
            held_out = c->points[i].held_out;
    fprintf(out, "<g class='a'><polyline class='m' points='%d,%d %d,%d'/>"
            "<text x='%d' y='%d'>training, smoothed: %.3f</text>\n", x, y - 4,
            x + 22, y - 4, x + 30, y, c->points[c->n - 1].smooth);
    if (n_held_out > 0)
        fprintf(out, "<polyline class='h' points='%d,%d %d,%d'/>"
                "<text x='%d' y='%d'>held out: %.3f</text>\n", x, y + 14,
                x + 22, y + 14, x + 30, y + 18, held_out);
    fprintf(out, "</g>\n");
}

static void draw(FILE *out, const curve *c)
{
    size_t n_held_out;

    fprintf(out,
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %d' "
            "font-family='sans-serif' font-size='12'>\n"
            "<style>polyline{fill:none;stroke-linejoin:round}"
            ".a line{stroke:#888;stroke-opacity:.25}"
            ".a text{fill:#777}"
            ".t{stroke:#4a7ebb;stroke-opacity:.28;stroke-width:1}"
            ".m{stroke:#2563b0;stroke-width:2}"
            "polyline.h{stroke:#d9662b;stroke-width:2}"
            "circle.h{fill:#d9662b}</style>\n", WIDTH, HEIGHT);
    draw_axes(out, c);
    draw_line(out, c, "t", false);
    draw_line(out, c, "m", true);
    n_held_out = draw_held_out(out, c);
    draw_legend(out, c, n_held_out);
    fprintf(out, "</svg>\n");
}

int draw_loss_curve(const char *log_path, const char *svg_path, bool log_steps)
{
    curve c = { .log_steps = log_steps };
    int code = read_curve(&c, log_path);
    FILE *out;

    if (code >= 0) {
        free(c.points);
        return code;
    }
    smooth(&c);
    find_range(&c);
    out = fopen(svg_path, "w");
    if (out != NULL)
        draw(out, &c);
    free(c.points);
    if (out != NULL && fclose(out) == 0)
        return EXIT_DONE;
    fprintf(stderr, "agentcompress: cannot write %s\n", svg_path);
    return EXIT_MISSING;
}
