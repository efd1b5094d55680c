/* frontier_plot.c - the variants of a zoo as a picture: cost against quality,
 * those that no other one beats in both joined by a line. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "svg_chart.h"

enum { WIDTH = 760, HEIGHT = 440, LEFT = 72, RIGHT = 24, TOP = 40,
       BOTTOM = 48, MAX_POINTS = 64 };

/* A label's size is only known to who draws it: 12 px sans, on average. */
static const double letter_width = 6.8, letter_height = 12.0;

/* An axis is logarithmic from this ratio of its ends. */
static const double wide = 3.0;

typedef struct figure {
    const char *name;      /* what the user calls it */
    const char *part, *field;
    const char *label;
    bool over_full;        /* it is divided by full's */
} figure;

static const figure costs[] = {
    { "bytes", "cost", "bytes_per_token",
      "bytes read for a token, over full's", true },
    { "bit_operations", "cost", "bit_operations_per_token",
      "bit operations of a token, over full's", true },
    { "macs", "cost", "macs_per_token",
      "multiply-accumulates of a token, over full's", true },
    { "seconds", "measured", "decode_ratio",
      "seconds for a token (decoding), over full's", false },
};

static const figure qualities[] = {
    { "kl", "measured", "kl_divergence",
      "divergence from full (KL, nats per token), lower is better", false },
    { "perplexity", "measured", "perplexity",
      "perplexity over full's, lower is better", true },
    { "success", "measured", "success_rate",
      "share of tasks solved, higher is better", false },
};

typedef struct point {
    const char *name;
    double cost, quality;
    double x, y;           /* in the picture */
    bool is_best;          /* no other is better in both */
} point;

typedef struct box {
    double x0, y0, x1, y1;
} box;

typedef struct frontier {
    const json_t *zoo;
    const figure *cost, *quality;
    point points[MAX_POINTS]; /* by cost */
    int n;
    box labels[MAX_POINTS];
    chart chart;
} frontier;

/* ---- points -------------------------------------------------------------- */

/* NaN where the card has none. */
static double figure_of(const frontier *f, const figure *what,
                        const json_t *variant)
{
    double value = number_at(variant, what->part, what->field);

    if (what->over_full)
        value /= number_at(find_full(json_object_get(f->zoo, "variants")),
                           what->part, what->field);
    return value;
}

static bool is_success(const frontier *f)
{
    return strcmp(f->quality->name, "success") == 0;
}

static int by_cost(const void *a, const void *b)
{
    const point *p = a, *q = b;

    if (p->cost != q->cost)
        return p->cost < q->cost ? -1 : 1;
    return strcmp(p->name, q->name);
}

/* How many variants have the figure. */
static size_t count(const frontier *f, const figure *what)
{
    const json_t *variants = json_object_get(f->zoo, "variants");
    size_t n = 0;

    for (size_t i = 0; i < json_array_size(variants); i++)
        n += isfinite(figure_of(f, what, json_array_get(variants, i))) ? 1 : 0;
    return n;
}

static void collect(frontier *f)
{
    const json_t *variants = json_object_get(f->zoo, "variants");
    double sign = is_success(f) ? -1.0 : 1.0;

    for (size_t i = 0; i < json_array_size(variants) && f->n < MAX_POINTS;
         i++) {
        const json_t *v = json_array_get(variants, i);
        point p = { json_string_value(json_object_get(v, "name")),
                    figure_of(f, f->cost, v), figure_of(f, f->quality, v),
                    0.0, 0.0, true };

        if (p.name == NULL)
            continue;
        if (isfinite(p.cost) && isfinite(p.quality))
            f->points[f->n++] = p;
        else
            fprintf(stderr, "agentcompress: %s is left out: it was not "
                    "measured\n", p.name);
    }
    qsort(f->points, (size_t)f->n, sizeof *f->points, by_cost);
    for (int i = 0; i < f->n; i++)
        for (int k = 0; k < f->n; k++) {
            const point *p = &f->points[i], *q = &f->points[k];
            double worse = sign * (p->quality - q->quality);

            if (q->cost <= p->cost && worse >= 0.0 &&
                (q->cost < p->cost || worse > 0.0))
                f->points[i].is_best = false;
        }
}

/* ---- axes ---------------------------------------------------------------- */

static chart_axis axis_of(double least, double most, const char *label,
                          bool is_log)
{
    double room = is_log ? pow(most / least, 0.08) : 0.08 * (most - least);

    if (is_log)
        room = fmax(room, 1.1);
    else
        room = fmax(room, 0.01 * fmax(fabs(most), 1.0));
    return (chart_axis){
        is_log ? least / room : fmax(least - room, 0.0),
        is_log ? most * room : most + room, is_log, false, false, label
    };
}

static void lay_out(frontier *f)
{
    double cost[2] = { INFINITY, 0.0 }, quality[2] = { INFINITY, 0.0 };
    bool is_kl = strcmp(f->quality->name, "kl") == 0, has_zero = false;

    for (int i = 0; i < f->n; i++) {
        const point *p = &f->points[i];

        cost[0] = fmin(cost[0], p->cost);
        cost[1] = fmax(cost[1], p->cost);
        if (is_kl && !(p->quality > 0.0)) {
            has_zero = true;
            continue;
        }
        quality[0] = fmin(quality[0], p->quality);
        quality[1] = fmax(quality[1], p->quality);
    }
    if (!isfinite(quality[0])) /* all of them lose nothing */
        quality[0] = quality[1] = 1e-3;
    f->chart.x = axis_of(cost[0], cost[1], f->cost->label,
                         cost[0] > 0.0 && cost[1] / cost[0] > wide);
    f->chart.y = axis_of(quality[0], quality[1], f->quality->label,
                         is_kl || (!is_success(f) &&
                                   quality[1] / quality[0] > wide));
    f->chart.y.has_zero = has_zero;
    for (int i = 0; i < f->n; i++) {
        f->points[i].x = chart_x(&f->chart, f->points[i].cost);
        f->points[i].y = chart_y(&f->chart, f->points[i].quality);
    }
}

/* ---- labels -------------------------------------------------------------- */

static bool overlap(const box *a, const box *b)
{
    return a->x0 < b->x1 && b->x0 < a->x1 && a->y0 < b->y1 && b->y0 < a->y1;
}

/* Whether the line between two points goes through a box, by steps. */
static bool crosses(const box *b, const point *p, const point *q)
{
    for (int i = 0; i <= 200; i++) {
        double x = p->x + (q->x - p->x) * i / 200.0;
        double y = p->y + (q->y - p->y) * i / 200.0;

        if (x > b->x0 && x < b->x1 && y > b->y0 && y < b->y1)
            return true;
    }
    return false;
}

/* What speaks against a label's place: others under it, the line, the edge. */
static double against(const frontier *f, const box *b, int label)
{
    double sum = 0.0;
    const point *before = NULL;

    if (b->x0 < LEFT + 2 || b->x1 > WIDTH - 4 || b->y0 < TOP - 8 ||
        b->y1 > HEIGHT - BOTTOM)
        sum += 200.0;
    for (int i = 0; i < label; i++)
        sum += overlap(b, &f->labels[i]) ? 100.0 : 0.0;
    for (int i = 0; i < f->n; i++) {
        const point *p = &f->points[i];
        box dot = { p->x - 5.0, p->y - 5.0, p->x + 5.0, p->y + 5.0 };

        sum += overlap(b, &dot) ? 100.0 : 0.0;
        if (!p->is_best)
            continue;
        sum += before != NULL && crosses(b, before, p) ? 30.0 : 0.0;
        before = p;
    }
    return sum;
}

/* The best of 8 directions at growing distances. */
static void place_label(frontier *f, int i)
{
    static const int sides[8][2] = { { 1, 0 }, { 1, -1 }, { -1, -1 },
                                     { 0, -1 }, { 1, 1 }, { -1, 1 },
                                     { -1, 0 }, { 0, 1 } };
    const point *p = &f->points[i];
    double width = letter_width * (double)strlen(p->name), best = INFINITY;

    for (double far = 8.0; far < 60.0; far += 9.0)
        for (int s = 0; s < 8; s++) {
            double x = p->x + sides[s][0] * far, y = p->y + sides[s][1] * far;
            box b = { x, y - 0.5 * letter_height, x + width,
                      y + 0.5 * letter_height };
            double bad;

            if (sides[s][0] <= 0) {
                double shift = sides[s][0] < 0 ? width : 0.5 * width;

                b.x0 -= shift;
                b.x1 -= shift;
            }
            bad = against(f, &b, i) + 0.5 * far + 0.1 * s;
            if (bad < best) {
                best = bad;
                f->labels[i] = b;
            }
        }
}

/* From the point to a label that is not beside it. */
static void draw_leader(const frontier *f, int i)
{
    const point *p = &f->points[i];
    const box *b = &f->labels[i];
    double x = fmin(fmax(p->x, b->x0), b->x1);
    double y = fmin(fmax(p->y, b->y0), b->y1);

    if (hypot(x - p->x, y - p->y) > 14.0)
        fprintf(f->chart.out, "<line class='l' x1='%.1f' y1='%.1f' "
                "x2='%.1f' y2='%.1f'/>\n", p->x, p->y, x, y);
}

/* ---- the picture --------------------------------------------------------- */

static void draw_points(const frontier *f)
{
    FILE *out = f->chart.out;

    fprintf(out, "<polyline class='f' points='");
    for (int i = 0; i < f->n; i++)
        if (f->points[i].is_best)
            fprintf(out, "%.1f,%.1f ", f->points[i].x, f->points[i].y);
    fprintf(out, "'/>\n");
    for (int i = 0; i < f->n; i++) {
        const point *p = &f->points[i];

        draw_leader(f, i);
        fprintf(out, "<circle class='%s' cx='%.1f' cy='%.1f' r='4'><title>",
                p->is_best ? "b" : "o", p->x, p->y);
        chart_text(&f->chart, p->name);
        fprintf(out, ": %.4g, %.4g</title></circle><text class='v' x='%.1f' "
                "y='%.1f'>", p->cost, p->quality, f->labels[i].x0,
                f->labels[i].y1 - 2.0);
        chart_text(&f->chart, p->name);
        fprintf(out, "</text>\n");
    }
}

static void draw(FILE *out, void *context)
{
    frontier *f = context;
    const char *name = json_string_value(json_object_get(f->zoo, "name"));
    char title[160];

    snprintf(title, sizeof title, "%s%sthe variants, cost against quality",
             name != NULL ? name : "", name != NULL ? ": " : "");
    f->chart = (chart){ .out = out, .width = WIDTH, .height = HEIGHT,
                        .left = LEFT, .right = RIGHT, .top = TOP,
                        .bottom = BOTTOM };
    lay_out(f);
    for (int i = 0; i < f->n; i++)
        place_label(f, i);
    chart_begin(&f->chart, title,
                ".f{stroke:#2563b0;stroke-width:2}.b{fill:#2563b0}"
                ".o{fill:none;stroke:#d9662b;stroke-width:2}"
                ".v{fill:#777}.l{stroke:#999;stroke-width:.8}");
    chart_axes(&f->chart);
    draw_points(f);
    chart_end(&f->chart);
}

/* ---- what is drawn ------------------------------------------------------- */

static const figure *figure_named(const char *name, const figure *list,
                                  size_t n, const char *option)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].name, name) == 0)
            return &list[i];
    fprintf(stderr, "agentcompress inspect: --%s is one of", option);
    for (size_t i = 0; i < n; i++)
        fprintf(stderr, "%s %s", i > 0 ? "," : "", list[i].name);
    fprintf(stderr, "\n");
    return NULL;
}

/* What the most variants have, the first of equals. */
static const figure *most_measured(const frontier *f, const figure *list,
                                   size_t n)
{
    const figure *best = &list[0];

    for (size_t i = 1; i < n; i++)
        if (count(f, &list[i]) > count(f, best))
            best = &list[i];
    return best;
}

int draw_frontier(const json_t *zoo, const char *path, const char *svg_path,
                  const char *cost, const char *quality)
{
    enum { N_COSTS = sizeof costs / sizeof *costs, SECONDS = N_COSTS - 1,
           N_QUALITIES = sizeof qualities / sizeof *qualities };
    frontier f = { .zoo = zoo };

    if (find_full(json_object_get(zoo, "variants")) == NULL) {
        fprintf(stderr, "agentcompress: %s is no zoo: only a zoo has variants "
                "to draw\n", path);
        return EXIT_USAGE;
    }
    f.cost = count(&f, &costs[SECONDS]) == count(&f, &costs[0])
                 ? &costs[SECONDS] : &costs[0];
    f.quality = most_measured(&f, qualities, N_QUALITIES);
    if (cost != NULL)
        f.cost = figure_named(cost, costs, N_COSTS, "cost");
    if (quality != NULL)
        f.quality = figure_named(quality, qualities, N_QUALITIES, "quality");
    if (f.cost == NULL || f.quality == NULL)
        return EXIT_USAGE;
    if (is_success(&f) && count(&f, f.quality) == 0) {
        fprintf(stderr, "agentcompress: the card of %s has no success_rate\n",
                path);
        return EXIT_MISSING;
    }
    if (count(&f, f.quality) == 0 || count(&f, f.cost) == 0) {
        fprintf(stderr, "agentcompress: the %s of the variants of %s was not "
                "measured; run: agentcompress measure %s --text FILE\n",
                count(&f, f.cost) == 0 ? "time" : "quality", path, path);
        return EXIT_MISSING;
    }
    collect(&f);
    return chart_save(svg_path, draw, &f) ? EXIT_DONE : EXIT_MISSING;
}
