/* check_numbers.c - see check_numbers.h. */
#include "workshop/evaluate/check_numbers.h"

enum { MOST_DIGITS = 15 };

bool aci_workshop_number_equal(const aci_number *a, const aci_number *b)
{
    return !a->strange && !b->strange && a->mantissa == b->mantissa &&
           a->decimals == b->decimals;
}

static char byte_at(aci_slice text, size_t at)
{
    return at < text.n ? text.at[at] : '\0';
}

static bool three_digits(aci_slice text, size_t at)
{
    return aci_is_digit(byte_at(text, at)) &&
           aci_is_digit(byte_at(text, at + 1)) &&
           aci_is_digit(byte_at(text, at + 2)) &&
           !aci_is_digit(byte_at(text, at + 3));
}

/* ---- digits -------------------------------------------------------------- */

static void take_digit(aci_number *out, char c, int32_t *n_digits)
{
    if (++*n_digits > MOST_DIGITS)
        out->strange = true;
    else
        out->mantissa = out->mantissa * 10 + (c - '0');
}

/* Digits, thousands apart by commas or not, and a fraction. */
static size_t read_digits(aci_number *out, aci_slice text, size_t at)
{
    int32_t n_digits = 0;
    size_t first = at;

    while (aci_is_digit(byte_at(text, at)) ||
           (byte_at(text, at) == ',' && at > first && at - first <= 3 &&
            three_digits(text, at + 1))) {
        if (text.at[at] == ',')
            first = at + 1;
        else
            take_digit(out, text.at[at], &n_digits);
        at++;
    }
    if (byte_at(text, at) == '.' && aci_is_digit(byte_at(text, at + 1))) {
        for (at++; aci_is_digit(byte_at(text, at)); at++) {
            take_digit(out, text.at[at], &n_digits);
            out->decimals++;
        }
    }
    while (!out->strange && out->decimals > 0 && out->mantissa % 10 == 0) {
        out->mantissa /= 10;
        out->decimals--;
    }
    return at;
}

/* What makes digits no number that can be compared: 1.2.3, 3e5. */
static size_t read_strange_tail(aci_number *out, aci_slice text, size_t at)
{
    char c = byte_at(text, at), next = byte_at(text, at + 1);

    if ((c == 'e' || c == 'E') &&
        (aci_is_digit(next) ||
         ((next == '-' || next == '+') &&
          aci_is_digit(byte_at(text, at + 2))))) {
        out->strange = true;
        at += 2;
    }
    while (aci_is_digit(byte_at(text, at)) ||
           (byte_at(text, at) == '.' && aci_is_digit(byte_at(text, at + 1)))) {
        out->strange = true;
        at++;
    }
    return at;
}

/* "2nd", "11th"; and "1/h", which is a unit. */
static bool is_no_number(const aci_number *number, aci_slice text)
{
    static const char *const endings[] = { "st", "nd", "rd", "th" };
    size_t i;

    for (i = 0; i < 4; i++) {
        if (byte_at(text, number->end) == endings[i][0] &&
            byte_at(text, number->end + 1) == endings[i][1] &&
            !aci_is_word(byte_at(text, number->end + 2)))
            return true;
    }
    return number->mantissa == 1 && number->decimals == 0 &&
           byte_at(text, number->end) == '/' &&
           aci_is_letter(byte_at(text, number->end + 1));
}

static bool read_number(aci_number *out, aci_slice text, size_t at)
{
    char c = byte_at(text, at);
    bool negative = c == '-';

    memset(out, 0, sizeof *out);
    out->at = at;
    if (negative || c == '+')
        at++;
    if (!aci_is_digit(byte_at(text, at)) &&
        !(byte_at(text, at) == '.' && aci_is_digit(byte_at(text, at + 1))))
        return false;
    at = read_digits(out, text, at);
    out->end = read_strange_tail(out, text, at);
    if (negative)
        out->mantissa = -out->mantissa;
    return true;
}

/* ---- words --------------------------------------------------------------- */

static const char *const small[] = {
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight",
    "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen",
    "sixteen", "seventeen", "eighteen", "nineteen"
};
static const char *const tens[] = { "twenty", "thirty", "forty", "fifty",
                                    "sixty", "seventy", "eighty", "ninety" };

static bool word_is(aci_slice text, size_t at, size_t n, const char *word)
{
    size_t i;

    if (strlen(word) != n)
        return false;
    for (i = 0; i < n; i++) {
        char c = text.at[at + i];

        if ((aci_is_upper(c) ? c - 'A' + 'a' : c) != word[i])
            return false;
    }
    return true;
}

static size_t letters_at(aci_slice text, size_t at)
{
    size_t n = 0;

    while (aci_is_letter(byte_at(text, at + n)))
        n++;
    return aci_is_word(byte_at(text, at + n)) ? 0 : n;
}

static bool read_small(int64_t *out, aci_slice text, size_t at, size_t n)
{
    int32_t i;

    for (i = 0; n > 0 && i < 20; i++) {
        if (word_is(text, at, n, small[i])) {
            *out = i;
            return true;
        }
    }
    return false;
}

/* "seven", "forty", "forty-two"; "hundred" is strange. */
static bool read_words(aci_number *out, aci_slice text, size_t at)
{
    size_t n = letters_at(text, at), more;
    int64_t unit;
    int32_t i;

    memset(out, 0, sizeof *out);
    out->at = at;
    out->end = at + n;
    out->spelled = true;
    if (n < 3 || read_small(&out->mantissa, text, at, n))
        return n >= 3;
    if (word_is(text, at, n, "hundred") || word_is(text, at, n, "thousand"))
        return out->strange = true;
    for (i = 0; i < 8 && !word_is(text, at, n, tens[i]); i++)
        ;
    if (i == 8)
        return false;
    out->mantissa = (i + 2) * 10;
    if (byte_at(text, at + n) == '-' || byte_at(text, at + n) == ' ') {
        more = letters_at(text, at + n + 1);
        if (read_small(&unit, text, at + n + 1, more) && unit > 0 &&
            unit < 10) {
            out->mantissa += unit;
            out->end = at + n + 1 + more;
        }
    }
    return true;
}

/* ---- finding them -------------------------------------------------------- */

bool aci_workshop_number_at(aci_number *out, aci_slice text, size_t at)
{
    char c = byte_at(text, at), before = at > 0 ? text.at[at - 1] : ' ';

    if (aci_is_word(before))
        return false;
    if (aci_is_letter(c))
        return read_words(out, text, at);
    /* "35-43" is two numbers, ") -5" and " -5" a negative one. */
    if ((c == '-' || c == '+') && before == ')')
        return false;
    return read_number(out, text, at) && !is_no_number(out, text);
}

size_t aci_workshop_number_after(aci_slice text, const aci_number *number)
{
    size_t at = number->end;

    while (at < text.n && aci_is_word(text.at[at]))
        at++;
    return at;
}

size_t aci_workshop_number_skip(aci_slice text, size_t at)
{
    aci_number number = { .end = at };

    if (at < text.n && aci_is_digit(text.at[at]))
        read_number(&number, text, at);
    else if (at < text.n && !aci_is_word(text.at[at]))
        return at + 1;
    return aci_workshop_number_after(text, &number);
}

bool aci_workshop_number_find(aci_number *out, aci_slice text, size_t from)
{
    while (from < text.n) {
        if (aci_workshop_number_at(out, text, from))
            return true;
        from = aci_workshop_number_skip(text, from);
    }
    return false;
}

bool aci_workshop_number_read(aci_number *out, aci_slice text)
{
    return text.n > 0 && read_number(out, text, 0) && out->end == text.n &&
           !out->strange;
}

/* ---- units --------------------------------------------------------------- */

typedef struct unit_name {
    const char *unit, *name;
} unit_name;

static const unit_name unit_names[] = {
    { "%", "percent" }, { "%", "per cent" },
    { "mm", "millimetres" }, { "mm", "millimeters" },
    { "cm", "centimetres" }, { "cm", "centimeters" },
    { "m", "metres" }, { "m", "meters" }, { "g", "grams" },
    { "mg", "milligrams" }, { "kg", "kilograms" }, { "h", "hours" },
    { "h", "hour" }, { "min", "minutes" }, { "min", "minute" },
    { "s", "seconds" }, { "s", "second" }, { "ms", "milliseconds" },
    { "K", "kelvin" }, { "N", "newtons" }, { "N", "newton" },
    { "J", "joules" }, { "J", "joule" }, { "W", "watts" }, { "W", "watt" },
    { "V", "volts" }, { "V", "volt" }, { "C", "coulombs" },
    { "ohm", "ohms" }, { "EUR", "euros" }, { "EUR", "euro" },
    { "cm2", "square centimetres" }, { "cm2", "square centimeters" },
    { "points", "point" }, { "eggs", "egg" }, { "days", "day" },
    { "events", "event" }, { "g/mol", "grams per mole" },
    { "g/mol", "g per mol" }, { "g/mol", "g mol-1" },
    { "m/s", "metres per second" }, { "m/s", "meters per second" }
};

/* A unit goes on where a longer one would: "m" in "mm", "m/s", "m2". */
static size_t spelled_unit(aci_slice text, size_t at, aci_slice unit)
{
    size_t end = at + unit.n;

    if (unit.n == 0 || unit.n > text.n - at ||
        memcmp(text.at + at, unit.at, unit.n) != 0)
        return 0;
    if (aci_is_word(unit.at[unit.n - 1]) && aci_is_word(byte_at(text, end)))
        return 0;
    if ((byte_at(text, end) == '/' || byte_at(text, end) == '^') &&
        aci_is_word(byte_at(text, end + 1)))
        return 0;
    return end;
}

size_t aci_workshop_unit_end(aci_slice text, size_t at, aci_slice unit)
{
    size_t end, i;

    if (aci_is_space(byte_at(text, at)))
        at++;
    if (at >= text.n)
        return 0;
    end = spelled_unit(text, at, unit);
    for (i = 0; end == 0 && i < sizeof unit_names / sizeof *unit_names; i++) {
        if (aci_slice_equal(unit, aci_slice_of(unit_names[i].unit)))
            end = spelled_unit(text, at, aci_slice_of(unit_names[i].name));
    }
    return end;
}
