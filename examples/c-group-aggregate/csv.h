//! CSV in C: reading row by row, writing a cell, and how this program fails.
#pragma once

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// One row; the cells live as long as the program.
typedef struct {
    char **cells;
    size_t count, line;
} Row;

/// A file in memory. Cells are unquoted in place, so that none of them is copied.
typedef struct {
    char *text;
    size_t at, length, line;
} Csv;

/// Prints `error: …` to the log and ends with 1, which marks the job as failed.
__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("error: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    exit(1);
}

static void *grow(void *memory, size_t bytes) {
    void *grown = realloc(memory, bytes);
    if (grown == NULL) fail("out of memory");
    return grown;
}

static FILE *open_below(const char *folder, const char *name, const char *mode) {
    size_t length = strlen(folder) + strlen(name) + 2;
    char *path = grow(NULL, length);
    snprintf(path, length, "%s/%s", folder, name);
    FILE *file = fopen(path, mode);
    if (file == NULL) fail("opening %s: %s", path, strerror(errno));
    free(path);
    return file;
}

static Csv csv_open(const char *folder, const char *name) {
    FILE *file = open_below(folder, name, "rb");
    Csv csv = {.line = 1};
    size_t room = 0, got;
    do {
        if (csv.length + 65536 > room) csv.text = grow(csv.text, room = 2 * room + 65537);
        got = fread(csv.text + csv.length, 1, 65536, file);
        csv.length += got;
    } while (got > 0);
    if (ferror(file)) fail("reading %s failed", name);
    fclose(file);
    csv.text[csv.length] = '\0';
    if (memchr(csv.text, '\0', csv.length) != NULL) fail("%s is not text", name);
    if (csv.length >= 3 && memcmp(csv.text, "\xEF\xBB\xBF", 3) == 0) csv.at = 3;
    return csv;
}

/// Unquotes the cell at `csv->at` in place and returns its terminator: `,`, a line end, or 0 at the end.
static char csv_cell(Csv *csv, char **cell) {
    char *to = *cell = csv->text + csv->at;
    bool quoted = *to == '"';
    csv->at += quoted;
    for (;; csv->at++) {
        char c = csv->text[csv->at];
        if (quoted && c == '"' && csv->text[csv->at + 1] == '"') csv->at++;
        else if (quoted && c == '"') {
            quoted = false;
            continue;
        } else if (csv->at == csv->length || (!quoted && (c == ',' || c == '\n' || c == '\r'))) {
            // The terminator is kept before it is overwritten by the end of the cell.
            *to = '\0';
            csv->at += csv->at < csv->length;
            return c;
        }
        csv->line += c == '\n';
        *to++ = c;
    }
}

/// Reads the next row that is not an empty line; false at the end of the file.
static bool csv_row(Csv *csv, Row *row) {
    for (; csv->text[csv->at] == '\n' || csv->text[csv->at] == '\r'; csv->at++)
        csv->line += csv->text[csv->at] == '\n';
    if (csv->at == csv->length) return false;
    row->line = csv->line;
    row->count = 0;
    char end;
    do {
        row->cells = grow(row->cells, (row->count + 1) * sizeof(char *));
        end = csv_cell(csv, &row->cells[row->count++]);
    } while (end == ',');
    csv->line += end == '\n';
    return true;
}

/// Writes one cell, in quotes where it needs them.
static void csv_write(FILE *to, const char *cell) {
    if (strpbrk(cell, ",\"\r\n") == NULL && *cell != '\0') {
        fputs(cell, to);
        return;
    }
    fputc('"', to);
    for (; *cell != '\0'; cell++) {
        if (*cell == '"') fputc('"', to);
        fputc(*cell, to);
    }
    fputc('"', to);
}
