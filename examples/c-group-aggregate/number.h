//! Numbers in C: strict reading, and the shortest text that reads back as the same bits.
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// Room for any number as text: sign, up to 17 digits, point, exponent or padding zeros.
#define NUMBER_TEXT 40

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static const char *digits(const char *text) {
    while (*text >= '0' && *text <= '9') text++;
    return text;
}

/// Whether a cell holds no value: empty, or `NA` as R writes it.
static bool is_missing(const char *cell) {
    while (is_space(*cell)) cell++;
    if (cell[0] == 'N' && cell[1] == 'A') cell += 2;
    while (is_space(*cell)) cell++;
    return *cell == '\0';
}

/// Decimal only: `strtod` would also take `inf`, `nan` and hexadecimal, one of which would swallow every total.
static bool parse_number(const char *cell, double *number) {
    while (is_space(*cell)) cell++;
    const char *whole = cell + (*cell == '+' || *cell == '-');
    const char *end = digits(whole);
    bool any = end > whole;
    if (*end == '.') {
        const char *fraction = end + 1;
        end = digits(fraction);
        any = any || end > fraction;
    }
    if (!any) return false;
    if (*end == 'e' || *end == 'E') {
        const char *power = end + 1 + (end[1] == '+' || end[1] == '-');
        end = digits(power);
        if (end == power) return false;
    }
    while (is_space(*end)) end++;
    *number = strtod(cell, NULL);
    return *end == '\0' && isfinite(*number);
}

/// Writes the fewest digits that read back as `number`; an exponent below 1e-4 and from 1e16, as Rust's `{:?}` does.
/// At some powers of two it takes a digit more than the shortest, because `printf` offers the nearest digits only.
static void write_number(double number, char text[NUMBER_TEXT]) {
    if (!isfinite(number)) {
        strcpy(text, number > 0 ? "inf" : number < 0 ? "-inf" : "NaN");
        return;
    }
    char form[NUMBER_TEXT];
    for (int places = 0; places < 17; places++) {
        snprintf(form, sizeof form, "%.*e", places, number);
        if (strtod(form, NULL) == number) break;
    }
    char *mark = strchr(form, 'e');
    int power = atoi(mark + 1);
    *mark = '\0';
    if (number != 0 && (power < -4 || power >= 16)) {
        snprintf(text, NUMBER_TEXT, "%se%d", form, power);
        return;
    }
    // Decimal notation of the same digits: as many places as they reach beyond the point.
    int significant = (int)(mark - form) - (form[0] == '-') - (strchr(form, '.') != NULL);
    int places = significant - 1 - power;
    snprintf(text, NUMBER_TEXT, "%.*f", places > 0 ? places : 0, number);
}
