/* settings.c: defaults, environment, clamping and constraints of settings.h. It runs inside the first malloc of a
 * process, so it uses no allocation, no stdio and no locale. */
#include "settings.h"

#include "hak_block.h"
#include "system_call.h"
#include "writer_group.h"

#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#ifdef HAKMEM_DEFAULTS_FILE
#include HAKMEM_DEFAULTS_FILE
#endif

struct settings settings;

#define TEXT(token) TEXT_OF(token)
#define TEXT_OF(token) #token

struct row {
    const char *name, *unit, *choices, *alias;
    const char *shipped; /* HAK_DEFAULT_<field> of an exported header, or that name itself if undefined */
    int type, effect;
    double minimum, maximum, default_value;
};

static const struct row rows[TUNABLE_COUNT] = {
#define HAK_TUNABLE(field, name, group, unit, type, scale, effect, minimum, maximum, default, choices, alias, help)         \
    {name, unit, HAK_TYPE_##type == HAK_TYPE_BOOL ? "off,on" : choices, alias, TEXT(HAK_DEFAULT_##field), \
     HAK_TYPE_##type, HAK_EFFECT_##effect, minimum, maximum, default},
#define HAK_CONSTRAINT(...)
#include "tunables.def"
#undef HAK_TUNABLE
#undef HAK_CONSTRAINT
};

static const struct {
    uint32_t lower, upper, strict;
} constraints[] = {
#define HAK_TUNABLE(...)
#define HAK_CONSTRAINT(lower, upper, strict) {TUNABLE_##lower, TUNABLE_##upper, strict},
#include "tunables.def"
#undef HAK_TUNABLE
#undef HAK_CONSTRAINT
};
#define CONSTRAINT_COUNT (sizeof constraints / sizeof *constraints)

static const char *const byte_units[] = {"bytes", "KiB", "MiB", "GiB"}; /* each is 1024 times the one before */
#define BYTE_UNIT_COUNT (sizeof byte_units / sizeof *byte_units)

static bool is_bytes(const struct row *row)
{
    return strcmp(row->unit, "bytes") == 0;
}

/* Reads a decimal number with an optional sign and fraction, and a unit if `has_byte_unit`. Returns false if the text is
 * anything else. */
static bool parse_number(const char *text, bool has_byte_unit, double *out)
{
    bool negative = *text == '-';
    if (negative || *text == '+')
        text++;
    double value = 0, place = 1;
    bool digits = false, fraction = false;
    for (; *text; text++) {
        if (*text == '.' && !fraction) {
            fraction = true;
        } else if (*text >= '0' && *text <= '9') {
            digits = true;
            value = value * 10 + (*text - '0');
            if (fraction)
                place *= 10;
        } else {
            break;
        }
    }
    if (*text) {
        unsigned unit = 0;
        text += *text == ' ';
        for (; has_byte_unit && unit < BYTE_UNIT_COUNT && strcmp(text, byte_units[unit]) != 0; unit++)
            value *= 1024;
        if (!has_byte_unit || unit == BYTE_UNIT_COUNT)
            return false;
    }
    *out = (negative ? -value : value) / place;
    return digits;
}

/* Returns the index of `text` in a comma separated list, or -1. */
static int find_choice(const char *choices, const char *text)
{
    size_t length = strlen(text);
    for (int index = 0; *choices; index++) {
        const char *end = strchr(choices, ',');
        size_t width = end ? (size_t)(end - choices) : strlen(choices);
        if (width == length && memcmp(choices, text, length) == 0)
            return index;
        choices += width + (end != NULL);
    }
    return -1;
}

static bool parse_value(const struct row *row, const char *text, double *out)
{
    int index = find_choice(row->choices, text);
    if (index >= 0) {
        *out = index;
        return true;
    }
    return parse_number(text, is_bytes(row), out) && *out >= row->minimum && *out <= row->maximum &&
           (row->type == HAK_TYPE_REAL || *out == (double)(int64_t)*out);
}

static void append(char *line, size_t capacity, const char *text)
{
    size_t used = strlen(line), length = strlen(text);
    if (length > capacity - used - 1)
        length = capacity - used - 1;
    memcpy(line + used, text, length);
    line[used + length] = 0;
}

static void complain(const char *variable, const char *text, const char *why)
{
    char line[256] = "hakmem: ";
    append(line, sizeof line - 1, variable);
    append(line, sizeof line - 1, "=");
    append(line, sizeof line - 1, text);
    append(line, sizeof line - 1, why);
    append(line, sizeof line, "\n");
    SYSTEM_CALL(SYS_write, STDERR_FILENO, line, strlen(line));
}

static void append_number(char *line, size_t capacity, double value)
{
    char digits[32];
    size_t place = sizeof digits;
    uint64_t hundredths = (uint64_t)((value < 0 ? -value : value) * 100 + 0.5), whole = hundredths / 100;
    digits[--place] = 0;
    if (hundredths % 100) {
        digits[--place] = (char)('0' + hundredths % 10);
        digits[--place] = (char)('0' + hundredths / 10 % 10);
        digits[--place] = '.';
    }
    do
        digits[--place] = (char)('0' + whole % 10);
    while (whole /= 10);
    if (value < 0)
        digits[--place] = '-';
    append(line, capacity, digits + place);
}

/* Writes a bound as the workbench does: 512 KiB, 0.25. */
static void append_bound(char *line, size_t capacity, const struct row *row, double value)
{
    unsigned unit = 0;
    for (; is_bytes(row) && unit < BYTE_UNIT_COUNT - 1 && value >= 1024 && (uint64_t)value % 1024 == 0; unit++)
        value /= 1024;
    append_number(line, capacity, value);
    if (is_bytes(row)) {
        append(line, capacity, " ");
        append(line, capacity, byte_units[unit]);
    }
}

static void complain_of_value(const struct row *row, const char *variable, const char *text)
{
    char why[200] = "";
    if (*row->choices) {
        append(why, sizeof why, " is none of ");
        for (const char *choice = row->choices; *choice; choice++)
            append(why, sizeof why, *choice == ',' ? ", " : (char[]){*choice, 0});
    } else {
        append(why, sizeof why, row->type == HAK_TYPE_REAL ? " is no number from " : " is no whole number from ");
        append_bound(why, sizeof why, row, row->minimum);
        append(why, sizeof why, " to ");
        append_bound(why, sizeof why, row, row->maximum);
        append(why, sizeof why, is_bytes(row) || !*row->unit ? "" : " ");
        append(why, sizeof why, is_bytes(row) ? "" : row->unit);
    }
    append(why, sizeof why, "; ignored");
    complain(variable, text, why);
}

/* Whether the variable is HAKMEM_ and then the name in capitals, with _ instead of each dot. */
static bool is_variable_of(const char *variable, size_t length, const char *name)
{
    static const char prefix[] = "HAKMEM_";
    size_t prefix_length = sizeof prefix - 1;
    if (length != prefix_length + strlen(name) || memcmp(variable, prefix, prefix_length) != 0)
        return false;
    for (size_t i = 0; name[i]; i++) {
        char c = name[i] == '.' ? '_' : name[i];
        if (c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        if (variable[prefix_length + i] != c)
            return false;
    }
    return true;
}

/* What is read from the environment at the start. */
struct start {
    double *values;
    int *access;
    char group_path[256];
};

static NOINLINE void apply_own_variable(struct start *start, const char *variable, const char *equals)
{
    size_t length = (size_t)(equals - variable);
    char name[64] = "";
    if (length >= sizeof name)
        return;
    memcpy(name, variable, length);
    if (strcmp(name, "HAKMEM_CONTROL") == 0) {
        int choice = find_choice("off,read,write", equals + 1);
        if (choice >= 0)
            *start->access = choice;
        else
            complain(name, equals + 1, " is none of off, read, write; using write");
        return;
    }
    for (unsigned i = 0; i < TUNABLE_COUNT; i++) {
        if (!is_variable_of(variable, length, rows[i].name) && (!*rows[i].alias || find_choice(rows[i].alias, name) < 0))
            continue;
        double value;
        if (parse_value(&rows[i], equals + 1, &value))
            start->values[i] = value;
        else
            complain_of_value(&rows[i], name, equals + 1);
        return;
    }
    complain(name, equals + 1, " is no tunable of this build (see `workbench tunables`); ignored");
}

static void apply_variable(void *context, const char *variable)
{
    struct start *start = context;
    const char *equals = strchr(variable, '=');
    if (!equals)
        return;
    if (strncmp(variable, HAK_GROUP_VARIABLE "=", sizeof HAK_GROUP_VARIABLE) == 0 &&
        strlen(equals + 1) < sizeof start->group_path)
        strcpy(start->group_path, equals + 1);
    if (strncmp(variable, "HAKMEM_", 7) == 0)
        apply_own_variable(start, variable, equals);
}

/* Skips a line that is wrong or belongs to another allocator: the program that wrote it has reported that. */
static void apply_group_line(void *values, const char *line)
{
    const char *equals = strchr(line, '=');
    for (unsigned i = 0; equals && i < TUNABLE_COUNT; i++) {
        size_t length = strlen(rows[i].name);
        double value;
        if (length == (size_t)(equals - line) && memcmp(rows[i].name, line, length) == 0 &&
            parse_value(&rows[i], equals + 1, &value))
            ((double *)values)[i] = value;
    }
}

static bool holds(unsigned constraint, const double *values)
{
    double lower = values[constraints[constraint].lower], upper = values[constraints[constraint].upper];
    return constraints[constraint].strict ? lower < upper : lower <= upper;
}

double settings_default(enum tunable tunable)
{
    double value;
    return parse_value(&rows[tunable], rows[tunable].shipped, &value) ? value : rows[tunable].default_value;
}

void settings_initial(double *values, int *access)
{
    for (unsigned i = 0; i < TUNABLE_COUNT; i++)
        values[i] = settings_default((enum tunable)i);
    /* A program that runs with more rights than its caller (setuid, capabilities) ignores the caller's variables, prints
     * nothing about them, and lets no process change its settings. */
    bool is_privileged = getauxval(AT_SECURE) != 0;
    *access = is_privileged ? HAK_ACCESS_OFF : HAK_ACCESS_WRITE;
    if (!is_privileged) {
        struct start start = {values, access, ""};
        hak_read_environment(apply_variable, &start);
        if (*start.group_path)
            hak_read_group(start.group_path, apply_group_line, values);
    }
    /* A restored default may break another constraint. After as many rounds as there are constraints, all hold. */
    for (unsigned round = 0; round < CONSTRAINT_COUNT; round++) {
        for (unsigned c = 0; c < CONSTRAINT_COUNT; c++) {
            if (holds(c, values))
                continue;
            uint32_t lower = constraints[c].lower, upper = constraints[c].upper;
            complain(rows[lower].name, rows[upper].name, " do not fit together; using the defaults of both");
            values[lower] = rows[lower].default_value;
            values[upper] = rows[upper].default_value;
        }
    }
}

static _Atomic int64_t *field_of(unsigned tunable)
{
    return (_Atomic int64_t *)&settings + tunable;
}

void settings_store(const double *values, bool at_start)
{
    double next[TUNABLE_COUNT];
    for (unsigned i = 0; i < TUNABLE_COUNT; i++) {
        double value = values[i];
        if (!(value >= rows[i].minimum)) /* also catches NaN */
            value = rows[i].minimum;
        if (value > rows[i].maximum)
            value = rows[i].maximum;
        next[i] = value;
    }
    double current[TUNABLE_COUNT];
    settings_load(current);
    /* A value that stays as it was may break another constraint, so there are rounds as above. */
    for (unsigned round = 0; !at_start && round < CONSTRAINT_COUNT; round++) {
        for (unsigned c = 0; c < CONSTRAINT_COUNT; c++) {
            if (!holds(c, next)) {
                next[constraints[c].lower] = current[constraints[c].lower];
                next[constraints[c].upper] = current[constraints[c].upper];
            }
        }
    }
    for (unsigned i = 0; i < TUNABLE_COUNT; i++) {
        if (rows[i].effect == HAK_EFFECT_START && !at_start)
            continue;
        int64_t word = (int64_t)(rows[i].type == HAK_TYPE_REAL ? next[i] * REAL_UNIT : next[i]);
        atomic_store_explicit(field_of(i), word, memory_order_relaxed);
    }
}

void settings_load(double *values)
{
    for (unsigned i = 0; i < TUNABLE_COUNT; i++) {
        int64_t word = atomic_load_explicit(field_of(i), memory_order_relaxed);
        values[i] = rows[i].type == HAK_TYPE_REAL ? (double)word / REAL_UNIT : (double)word;
    }
}

bool settings_is_valid(void)
{
    double values[TUNABLE_COUNT];
    bool valid = true;
    settings_load(values);
    for (unsigned i = 0; i < TUNABLE_COUNT; i++)
        valid &= values[i] >= rows[i].minimum && values[i] <= rows[i].maximum;
    for (unsigned c = 0; c < CONSTRAINT_COUNT; c++)
        valid &= holds(c, values);
    return valid;
}
