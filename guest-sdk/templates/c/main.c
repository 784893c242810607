// The mean of one column over all tables: `@NAME@ INPUTS OUTPUTS --column NAME [--min-count N]`.

#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

// Exit codes: whose turn it is.
enum { FAILED = 1, PARAMETER = 2, INPUT = 3 };

// A mean of a few people says much about each of them, so fewer values than this give none.
#define MIN_COUNT 5
// Most bytes of one line, and of one path.
#define LINE_MAX_BYTES 65536
#define PATH_MAX_BYTES 4096

static _Noreturn void fail(int code, const char *format, ...) {
    va_list values;
    va_start(values, format);
    fputs("error: ", stderr);
    vfprintf(stderr, format, values);
    fputc('\n', stderr);
    exit(code);
}

static char *copied(const char *text) {
    char *copy = strdup(text);
    if (copy == NULL) fail(FAILED, "no memory left");
    return copy;
}

// Paths of all tables.
struct paths {
    char **list;
    size_t count;
};

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// Adds every .csv below `folder`, at any depth.
static void find_tables(const char *folder, struct paths *paths) {
    DIR *entries = opendir(folder);
    if (entries == NULL) fail(INPUT, "the folder of inputs cannot be listed");
    struct dirent *entry;
    while ((entry = readdir(entries)) != NULL) {
        char path[PATH_MAX_BYTES];
        struct stat about;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path) {
            fail(INPUT, "the name of an input is too long");
        }
        if (stat(path, &about) != 0) fail(INPUT, "an input cannot be looked at");
        const char *ending = strrchr(entry->d_name, '.');
        if (S_ISDIR(about.st_mode)) {
            find_tables(path, paths);
        } else if (ending != NULL && strcmp(ending, ".csv") == 0) {
            paths->list = realloc(paths->list, (paths->count + 1) * sizeof *paths->list);
            if (paths->list == NULL) fail(FAILED, "no memory left");
            paths->list[paths->count++] = copied(path);
        }
    }
    closedir(entries);
}

// Reads a line without its end; 0 at the end of the file. Quotes are refused rather than misread.
static int read_line(FILE *file, char *line, const char *name, size_t number) {
    if (fgets(line, LINE_MAX_BYTES, file) == NULL) {
        if (ferror(file)) fail(INPUT, "%s cannot be read", name);
        return 0;
    }
    size_t length = strcspn(line, "\n");
    if (line[length] != '\n' && !feof(file)) fail(INPUT, "%s line %zu is too long", name, number);
    line[length] = '\0';
    if (length > 0 && line[length - 1] == '\r') line[length - 1] = '\0';
    if (strchr(line, '"') != NULL) fail(INPUT, "%s line %zu has quotes, which are not read here", name, number);
    return 1;
}

// The cell at `column`, cut out of `line`; NULL where the line has fewer.
static char *cell_at(char *line, size_t column) {
    for (; column > 0; column--) {
        line = strchr(line, ',');
        if (line == NULL) return NULL;
        line++;
    }
    line[strcspn(line, ",")] = '\0';
    return line;
}

static size_t column_of(const char *header, const char *column, const char *name) {
    size_t length = strlen(column);
    for (size_t at = 0;; at++) {
        size_t cell = strcspn(header, ",");
        if (cell == length && strncmp(header, column, length) == 0) return at;
        if (header[cell] == '\0') fail(INPUT, "%s has no column \"%s\"", name, column);
        header += cell + 1;
    }
}

struct total {
    unsigned long long count, missing;
    double sum;
};

static void add_table(const char *path, const char *column, struct total *total) {
    static char line[LINE_MAX_BYTES];
    const char *name = strrchr(path, '/') + 1;
    FILE *file = fopen(path, "r");
    if (file == NULL) fail(INPUT, "%s cannot be opened", name);
    // Each read is a call out of the sandbox, so few large ones are better than many small ones.
    setvbuf(file, NULL, _IOFBF, 65536);
    size_t number = 1;
    if (!read_line(file, line, name, number)) fail(INPUT, "%s is empty", name);
    size_t at = column_of(strncmp(line, "\xEF\xBB\xBF", 3) == 0 ? line + 3 : line, column, name);
    while (read_line(file, line, name, ++number)) {
        if (line[0] == '\0') continue;
        char *cell = cell_at(line, at), *end;
        if (cell == NULL) fail(INPUT, "%s line %zu has too few cells", name, number);
        if (cell[0] == '\0' || strcmp(cell, "NA") == 0) {
            total->missing++;
            continue;
        }
        double value = strtod(cell, &end);
        // The cell itself stays out of the message: the log is read outside.
        if (end == cell || *end != '\0' || !isfinite(value)) {
            fail(INPUT, "%s line %zu: the column \"%s\" holds something that is not a number", name, number, column);
        }
        total->count++;
        total->sum += value;
    }
    fclose(file);
}

// Writes the shortest text that reads back as the same number.
static void write_number(FILE *file, double number) {
    char text[32];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number) break;
    }
    fputs(text, file);
}

static void write_mean(const char *outputs, const char *column, const struct total *total) {
    char path[PATH_MAX_BYTES];
    if (snprintf(path, sizeof path, "%s/mean.csv", outputs) >= (int)sizeof path) {
        fail(PARAMETER, "the path of the outputs is too long");
    }
    FILE *file = fopen(path, "w");
    if (file == NULL) fail(FAILED, "mean.csv cannot be created");
    fprintf(file, "column,count,missing,mean\n%s,%llu,%llu,", column, total->count, total->missing);
    write_number(file, total->sum / (double)total->count);
    fputc('\n', file);
    if (ferror(file) || fclose(file) != 0) fail(FAILED, "mean.csv cannot be written");
}

int main(int argc, char **argv) {
    if (argc < 3) fail(PARAMETER, "the first two arguments are the folders of inputs and outputs");
    const char *column = NULL;
    unsigned long long min_count = MIN_COUNT;
    for (int at = 3; at < argc; at += 2) {
        int is_column = strcmp(argv[at], "--column") == 0;
        if (!is_column && strcmp(argv[at], "--min-count") != 0) {
            fail(PARAMETER, "%s is not known here; known: --column, --min-count", argv[at]);
        }
        if (at + 1 == argc) fail(PARAMETER, "%s needs a value", argv[at]);
        char *value = argv[at + 1], *end;
        if (is_column) {
            column = value;
            continue;
        }
        min_count = strtoull(value, &end, 10);
        if (*value < '0' || *value > '9' || *end != '\0' || min_count < MIN_COUNT) {
            fail(PARAMETER, "--min-count is \"%s\": expected a whole number, %d or more", value, MIN_COUNT);
        }
    }
    if (column == NULL) fail(PARAMETER, "--column NAME is needed");

    struct paths paths = {NULL, 0};
    struct total total = {0, 0, 0.0};
    find_tables(argv[1], &paths);
    // The order of a listing must not show in the result.
    if (paths.count > 1) qsort(paths.list, paths.count, sizeof *paths.list, by_bytes);
    for (size_t at = 0; at < paths.count; at++) {
        // How far this is, as a host can read it: by the position in the input, never by a clock.
        fprintf(stderr, "brizo:progress %.2f\n", (double)at / (double)paths.count);
        add_table(paths.list[at], column, &total);
    }
    if (total.count < min_count) {
        fail(INPUT, "%llu values are too few: at least %llu are needed", total.count, min_count);
    }
    write_mean(argv[2], column, &total);
    fprintf(stderr, "brizo:progress 1.00\n");
    printf("%llu values in %zu files\n", total.count, paths.count);
    return 0;
}
