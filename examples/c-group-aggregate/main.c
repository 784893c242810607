//! Totals per group in C: `IN OUT --file NAME --by COLUMN --value COLUMN [--min-group N]`, writes `groups.csv`.
//
// Plain C11 over wasi-libc: files are files, arguments are arguments. What it prints becomes the job's log.

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "csv.h"
#include "number.h"

/// One group: Neumaier's compensated sum, as every example here computes it, so that the bytes agree.
typedef struct {
    const char *name;
    uint64_t count;
    double total, lost, min, max;
} Group;

typedef struct {
    Group *items;
    size_t count;
} Groups;

typedef struct {
    const char *file, *by, *value, *min_group;
} Options;

static void add(Group *group, double number) {
    double next = group->total + number;
    group->lost += fabs(group->total) >= fabs(number) ? (group->total - next) + number : (number - next) + group->total;
    group->total = next;
    group->count += 1;
    group->min = fmin(group->min, number);
    group->max = fmax(group->max, number);
}

/// Linear search is enough for the few groups that an aggregate is made for.
static Group *find(Groups *groups, const char *name) {
    for (size_t i = 0; i < groups->count; i++)
        if (strcmp(groups->items[i].name, name) == 0) return &groups->items[i];
    groups->items = grow(groups->items, (groups->count + 1) * sizeof(Group));
    Group *group = &groups->items[groups->count++];
    *group = (Group){.name = name, .min = INFINITY, .max = -INFINITY};
    return group;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const Group *)a)->name, ((const Group *)b)->name);
}

static Options parse_options(int argc, char **argv) {
    Options options = {0};
    struct { const char *key; const char **value; } known[] = {
        {"--file", &options.file}, {"--by", &options.by},
        {"--value", &options.value}, {"--min-group", &options.min_group}};
    for (int i = 3; i < argc; i += 2) {
        size_t k = 0;
        while (k < 4 && strcmp(argv[i], known[k].key) != 0) k++;
        if (k == 4) fail("%s is not known here; known: --by, --value, --file, --min-group", argv[i]);
        if (i + 1 == argc) fail("%s needs a value", argv[i]);
        if (*known[k].value != NULL) fail("%s is given twice", argv[i]);
        *known[k].value = argv[i + 1];
    }
    for (size_t k = 0; k < 3; k++)
        if (*known[k].value == NULL) fail("%s VALUE is needed", known[k].key);
    return options;
}

static uint64_t parse_min_group(const char *text) {
    if (text == NULL) return 5;
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || number == 0)
        fail("--min-group %s: a whole number of at least 1 is needed", text);
    return number;
}

static size_t position(const Row *header, const char *column) {
    for (size_t i = 0; i < header->count; i++)
        if (strcmp(header->cells[i], column) == 0) return i;
    fail("there is no column \"%s\"", column);
}

static Groups gather(Csv *csv, const Options *options) {
    Row header = {0}, row = {0};
    if (!csv_row(csv, &header)) fail("%s is empty", options->file);
    size_t by = position(&header, options->by), value = position(&header, options->value);
    Groups groups = {0};
    while (csv_row(csv, &row)) {
        if (row.count != header.count) fail("line %zu: %zu cells, but the header has %zu", row.line, row.count, header.count);
        if (is_missing(row.cells[by]) || is_missing(row.cells[value])) continue;
        double number;
        // The cell itself stays out of the message: the log is read outside.
        if (!parse_number(row.cells[value], &number))
            fail("line %zu: the column \"%s\" holds something that is not a number", row.line, options->value);
        add(find(&groups, row.cells[by]), number);
    }
    qsort(groups.items, groups.count, sizeof(Group), by_name);
    return groups;
}

static size_t write_groups(const Groups *groups, const char *by, uint64_t min_group, FILE *to) {
    size_t suppressed = 0;
    csv_write(to, by);
    fputs(",count,mean,min,max,sum\n", to);
    for (size_t i = 0; i < groups->count; i++) {
        const Group *group = &groups->items[i];
        if (group->count < min_group) {
            suppressed++;
            continue;
        }
        double sum = isfinite(group->total) ? group->total + group->lost : group->total;
        double numbers[] = {sum / (double)group->count, group->min, group->max, sum};
        csv_write(to, group->name);
        fprintf(to, ",%llu", (unsigned long long)group->count);
        for (size_t k = 0; k < 4; k++) {
            char text[NUMBER_TEXT];
            write_number(numbers[k], text);
            fprintf(to, ",%s", text);
        }
        fputc('\n', to);
    }
    return suppressed;
}

int main(int argc, char **argv) {
    if (argc < 3) fail("the two folders are missing");
    Options options = parse_options(argc, argv);
    uint64_t min_group = parse_min_group(options.min_group);
    Csv csv = csv_open(argv[1], options.file);
    Groups groups = gather(&csv, &options);
    FILE *to = open_below(argv[2], "groups.csv", "wb");
    size_t suppressed = write_groups(&groups, options.by, min_group, to);
    if (fclose(to) != 0) fail("groups.csv: %s", strerror(errno));
    printf("%s: %zu groups written\n", options.file, groups.count - suppressed);
    printf("%zu groups with fewer than %llu values suppressed\n", suppressed, (unsigned long long)min_group);
    return 0;
}
