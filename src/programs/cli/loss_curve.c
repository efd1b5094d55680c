/* loss_curve.c - a training log as a curve: SVG, no script, readable in light
 * and dark. The loss of every step is drawn thin, its running mean thick, what
 * was held out as dots on a line. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "svg_chart.h"

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
    chart chart;
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

/* Of long runs every so many points. */
static void draw_line(FILE *out, const curve *c, const char *class,
                      bool is_smooth)
{
    size_t every = c->n / MAX_POINTS + 1, i;

    fprintf(out, "<polyline class='%s' points='", class);
    for (i = 0; i < c->n; i++)
        if (i % every == 0 || i == c->n - 1)
            fprintf(out, "%.1f,%.1f ", chart_x(&c->chart, c->points[i].step),
                    chart_y(&c->chart, is_smooth ? c->points[i].smooth
                                      : c->points[i].loss));
    fprintf(out, "'/>\n");
}

static size_t draw_held_out(FILE *out, const curve *c)
{
    size_t n = 0, i;

    fprintf(out, "<polyline class='h' points='");
    for (i = 0; i < c->n; i++)
        if (isfinite(c->points[i].held_out)) {
            fprintf(out, "%.1f,%.1f ", chart_x(&c->chart, c->points[i].step),
                    chart_y(&c->chart, c->points[i].held_out));
            n++;
        }
    fprintf(out, "'/>\n");
    for (i = 0; i < c->n; i++)
        if (isfinite(c->points[i].held_out))
            fprintf(out, "<circle class='h' cx='%.1f' cy='%.1f' r='2.5'/>\n",
                    chart_x(&c->chart, c->points[i].step),
                    chart_y(&c->chart, c->points[i].held_out));
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

static void draw(FILE *out, void *context)
{
    curve *c = context;
    size_t n_held_out;

    c->chart = (chart){
        out, WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM,
        { c->first, c->last, c->log_steps, false, true,
          c->log_steps ? "step (logarithmic)" : "step" },
        { c->least, c->most, false, false, false, "loss, nats per token" }
    };
    chart_begin(&c->chart, NULL,
                ".t{stroke:#4a7ebb;stroke-opacity:.28;stroke-width:1}"
                ".m{stroke:#2563b0;stroke-width:2}"
                "polyline.h{stroke:#d9662b;stroke-width:2}"
                "circle.h{fill:#d9662b}");
    chart_axes(&c->chart);
    draw_line(out, c, "t", false);
    draw_line(out, c, "m", true);
    n_held_out = draw_held_out(out, c);
    draw_legend(out, c, n_held_out);
    chart_end(&c->chart);
}

int draw_loss_curve(const char *log_path, const char *svg_path, bool log_steps)
{
    curve c = { .log_steps = log_steps };
    int code = read_curve(&c, log_path);

    if (code < 0) {
        smooth(&c);
        find_range(&c);
        code = chart_save(svg_path, draw, &c) ? EXIT_DONE : EXIT_MISSING;
    }
    free(c.points);
    return code;
}
