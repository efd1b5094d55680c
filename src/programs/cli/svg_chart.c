/* svg_chart.c - see svg_chart.h. */
#include "svg_chart.h"

#include <math.h>
#include <string.h>

/* From so many powers of ten, a logarithmic axis has no ticks at 2 and 5. */
static const double many_powers = 2.5;

enum { ZERO_ROW = 26 };

static double share_of(const chart_axis *axis, double value)
{
    if (axis->is_log)
        return log(value / axis->least) / log(axis->most / axis->least);
    return (value - axis->least) / (axis->most - axis->least);
}

double chart_x(const chart *c, double value)
{
    return c->left +
           share_of(&c->x, value) * (c->width - c->left - c->right);
}

double chart_y(const chart *c, double value)
{
    int foot = c->height - c->bottom;

    if (c->y.has_zero && value <= 0.0)
        return foot;
    if (c->y.has_zero)
        foot -= ZERO_ROW;
    return c->top + (1.0 - share_of(&c->y, value)) * (foot - c->top);
}

void chart_text(const chart *c, const char *text)
{
    for (; *text != '\0'; text++)
        switch (*text) {
        case '&':
            fputs("&amp;", c->out);
            break;
        case '<':
            fputs("&lt;", c->out);
            break;
        case '>':
            fputs("&gt;", c->out);
            break;
        case '\'':
            fputs("&#39;", c->out);
            break;
        default:
            fputc(*text, c->out);
        }
}

bool chart_save(const char *path, void (*draw)(FILE *out, void *context),
                void *context)
{
    FILE *out = fopen(path, "w");
    bool whole;

    if (out != NULL) {
        draw(out, context);
        whole = ferror(out) == 0;
        if (fclose(out) == 0 && whole)
            return true;
    }
    fprintf(stderr, "agentcompress: cannot write %s\n", path);
    return false;
}

void chart_begin(const chart *c, const char *title, const char *style)
{
    fprintf(c->out,
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %d' "
            "font-family='sans-serif' font-size='12'>\n", c->width,
            c->height);
    if (title != NULL) {
        fprintf(c->out, "<title>");
        chart_text(c, title);
        fprintf(c->out, "</title>\n");
    }
    fprintf(c->out, "<style>polyline{fill:none;stroke-linejoin:round}"
            ".a line{stroke:#888;stroke-opacity:.25}.a text{fill:#777}%s"
            "</style>\n", style);
    if (title != NULL) {
        fprintf(c->out, "<g class='a'><text x='%d' y='20' font-size='14'>",
                c->left);
        chart_text(c, title);
        fprintf(c->out, "</text></g>\n");
    }
}

void chart_end(const chart *c)
{
    fprintf(c->out, "</svg>\n");
}

/* ---- ticks --------------------------------------------------------------- */

/* 1, 2 or 5 times a power of ten, giving four to nine parts. */
static double tick_of(double range)
{
    double tick = pow(10.0, floor(log10(range)));

    if (range / tick < 2.0)
        return tick / 5.0;
    return range / tick < 5.0 ? tick / 2.0 : tick;
}

typedef void tick_drawer(const chart *c, double at, const char *text);

static void x_tick(const chart *c, double at, const char *text)
{
    double x = chart_x(c, at);

    fprintf(c->out, "<line x1='%.1f' y1='%d' x2='%.1f' y2='%d'/>"
            "<text x='%.1f' y='%d' text-anchor='middle'>%s</text>\n", x,
            c->top, x, c->height - c->bottom, x, c->height - c->bottom + 18,
            text);
}

static void y_tick(const chart *c, double at, const char *text)
{
    double y = chart_y(c, at);

    fprintf(c->out, "<line x1='%d' y1='%.1f' x2='%d' y2='%.1f'/>"
            "<text x='%d' y='%.1f' text-anchor='end'>%s</text>\n", c->left, y,
            c->width - c->right, y, c->left - 8, y + 4.0, text);
}

static void log_ticks(const chart *c, const chart_axis *axis,
                      tick_drawer *draw)
{
    static const double parts[] = { 1.0, 2.0, 5.0 };
    int n = log10(axis->most / axis->least) > many_powers ? 1 : 3;
    int first = (int)floor(log10(axis->least));
    char text[32];

    for (int power = first; power < first + 32; power++)
        for (int i = 0; i < n; i++) {
            double at = parts[i] * pow(10.0, power);

            if (at < axis->least * (1.0 - 1e-9) ||
                at > axis->most * (1.0 + 1e-9))
                continue;
            snprintf(text, sizeof text, "%.*f", power < 0 ? -power : 0, at);
            draw(c, at, text);
        }
}

static void even_ticks(const chart *c, const chart_axis *axis,
                       tick_drawer *draw)
{
    double tick = tick_of(axis->most - axis->least);
    int decimals;
    char text[32];
    double first;

    if (axis->is_whole)
        tick = fmax(tick, 1.0);
    decimals = tick >= 1.0 ? 0 : (int)ceil(-log10(tick) - 1e-9);
    first = ceil(axis->least / tick - 1e-9);
    for (int i = 0; i < 32; i++) {
        double at = (first + i) * tick;

        if (at > axis->most + 1e-9 * tick)
            return;
        snprintf(text, sizeof text, "%.*f", decimals, fabs(at));
        draw(c, at, text);
    }
}

static void ticks(const chart *c, const chart_axis *axis, tick_drawer *draw)
{
    (axis->is_log ? log_ticks : even_ticks)(c, axis, draw);
}

void chart_axes(const chart *c)
{
    fprintf(c->out, "<g class='a'>\n");
    ticks(c, &c->y, y_tick);
    if (c->y.has_zero)
        y_tick(c, 0.0, "0");
    ticks(c, &c->x, x_tick);
    fprintf(c->out, "<text x='%d' y='%d' text-anchor='middle'>",
            (c->left + c->width - c->right) / 2, c->height - 10);
    chart_text(c, c->x.label);
    fprintf(c->out, "</text>\n<text transform='translate(16,%d) rotate(-90)' "
            "text-anchor='middle'>", (c->top + c->height - c->bottom) / 2);
    chart_text(c, c->y.label);
    fprintf(c->out, "</text>\n</g>\n");
}
