/* svg_chart.h - what our pictures share: an SVG without script, readable in
 * light and dark, text as text, with a frame of axes and their ticks. */
#ifndef SVG_CHART_H
#define SVG_CHART_H

#include <stdbool.h>
#include <stdio.h>

typedef struct chart_axis {
    double least, most;   /* least above 0 when logarithmic */
    bool is_log;
    bool has_zero;        /* vertical, logarithmic: a row for 0 under it */
    bool is_whole;        /* ticks at integers */
    const char *label;
} chart_axis;

typedef struct chart {
    FILE *out;
    int width, height;
    int left, right, top, bottom; /* margins */
    chart_axis x, y;
} chart;

/* Begins the picture; `style` is added to the rules for axes. `title` (NULL:
 * none) goes over it and into <title>. */
void chart_begin(const chart *c, const char *title, const char *style);
void chart_axes(const chart *c);
void chart_end(const chart *c);

/* Where a value lies. */
double chart_x(const chart *c, double value);
double chart_y(const chart *c, double value);

/* Has `draw` write a file; false when that failed, and that was said. */
bool chart_save(const char *path, void (*draw)(FILE *out, void *context),
                void *context);

/* Text with & < > ' escaped. */
void chart_text(const chart *c, const char *text);

#endif
