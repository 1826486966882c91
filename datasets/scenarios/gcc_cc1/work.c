/* A small calculator language: scanner, parser, tree, two evaluators, containers made by macros. Something
 * of everything that a compiler meets in ordinary C. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFINE_VECTOR(name, type)                                                                        \
    struct name { type *items; size_t count, capacity; };                                                \
    static bool name##_push(struct name *vector, type item) {                                            \
        if (vector->count == vector->capacity) {                                                         \
            size_t wanted = vector->capacity ? vector->capacity * 2 : 8;                                 \
            type *grown = realloc(vector->items, wanted * sizeof *grown);                                \
            if (!grown) return false;                                                                    \
            vector->items = grown;                                                                       \
            vector->capacity = wanted;                                                                   \
        }                                                                                                \
        vector->items[vector->count++] = item;                                                           \
        return true;                                                                                     \
    }                                                                                                    \
    static int name##_compare(const void *a, const void *b) {                                            \
        return memcmp(a, b, sizeof(type));                                                               \
    }                                                                                                    \
    static void name##_sort(struct name *vector) {                                                       \
        qsort(vector->items, vector->count, sizeof *vector->items, name##_compare);                      \
    }                                                                                                    \
    static void name##_free(struct name *vector) { free(vector->items); *vector = (struct name){0}; }

#define DEFINE_MAP(name, type)                                                                           \
    struct name##_entry { uint64_t key; type value; bool used; };                                        \
    struct name { struct name##_entry *entries; size_t count, mask; };                                   \
    static struct name##_entry *name##_find(struct name *map, uint64_t key) {                            \
        uint64_t hash = key * UINT64_C(0x9E3779B97F4A7C15);                                              \
        for (size_t place = hash >> 20;; place++) {                                                      \
            struct name##_entry *entry = &map->entries[place & map->mask];                               \
            if (!entry->used || entry->key == key) return entry;                                         \
        }                                                                                                \
    }                                                                                                    \
    static bool name##_put(struct name *map, uint64_t key, type value) {                                 \
        if (!map->entries || map->count * 4 > map->mask * 3) {                                           \
            struct name grown = {.mask = map->mask ? map->mask * 2 + 1 : 15};                            \
            grown.entries = calloc(grown.mask + 1, sizeof *grown.entries);                               \
            if (!grown.entries) return false;                                                            \
            for (size_t i = 0; map->entries && i <= map->mask; i++)                                      \
                if (map->entries[i].used) {                                                              \
                    *name##_find(&grown, map->entries[i].key) = map->entries[i];                         \
                    grown.count++;                                                                       \
                }                                                                                        \
            free(map->entries);                                                                          \
            *map = grown;                                                                                \
        }                                                                                                \
        struct name##_entry *entry = name##_find(map, key);                                              \
        map->count += !entry->used;                                                                      \
        *entry = (struct name##_entry){key, value, true};                                                \
        return true;                                                                                     \
    }

struct point { double x, y; };
DEFINE_VECTOR(numbers, double)
DEFINE_VECTOR(bytes, unsigned char)
DEFINE_VECTOR(points, struct point)
DEFINE_VECTOR(words, uint64_t)
DEFINE_VECTOR(names, const char *)
DEFINE_MAP(variables, double)
DEFINE_MAP(places, struct point)
DEFINE_MAP(counts, size_t)

enum token { END, NUMBER, NAME, PLUS, MINUS, TIMES, OVER, POWER, OPEN, CLOSE, COMMA, ASSIGN, LESS, MORE, ERROR };
enum shape { CONSTANT, VARIABLE, UNARY, BINARY, CALL, ASSIGNMENT };

struct node {
    enum shape shape;
    enum token operator;
    double value;
    uint64_t name;
    struct node *left, *right;
};

struct parser {
    const char *text;
    enum token token;
    double value;
    uint64_t name;
    int depth;
    struct variables variables;
    struct words code;
    struct numbers stack;
};

static uint64_t hash_name(const char *text, size_t length) {
    uint64_t hash = UINT64_C(1469598103934665603);
    for (size_t i = 0; i < length; i++) hash = (hash ^ (unsigned char)text[i]) * UINT64_C(1099511628211);
    return hash;
}

static void advance(struct parser *parser) {
    while (isspace((unsigned char)*parser->text)) parser->text++;
    char first = *parser->text;
    if (isdigit((unsigned char)first) || first == '.') {
        char *end;
        parser->value = strtod(parser->text, &end);
        parser->token = end == parser->text ? ERROR : NUMBER;
        parser->text = end;
        return;
    }
    if (isalpha((unsigned char)first) || first == '_') {
        const char *begin = parser->text;
        while (isalnum((unsigned char)*parser->text) || *parser->text == '_') parser->text++;
        parser->name = hash_name(begin, (size_t)(parser->text - begin));
        parser->token = NAME;
        return;
    }
    parser->text += first != '\0';
    switch (first) {
        case '\0': parser->token = END; break;
        case '+': parser->token = PLUS; break;
        case '-': parser->token = MINUS; break;
        case '*': parser->token = TIMES; break;
        case '/': parser->token = OVER; break;
        case '^': parser->token = POWER; break;
        case '(': parser->token = OPEN; break;
        case ')': parser->token = CLOSE; break;
        case ',': parser->token = COMMA; break;
        case '=': parser->token = ASSIGN; break;
        case '<': parser->token = LESS; break;
        case '>': parser->token = MORE; break;
        default: parser->token = ERROR; break;
    }
}

static struct node *make_node(enum shape shape, enum token operator, struct node *left, struct node *right) {
    struct node *node = calloc(1, sizeof *node);
    if (node) *node = (struct node){.shape = shape, .operator = operator, .left = left, .right = right};
    return node;
}

static void free_node(struct node *node) {
    while (node) {
        struct node *next = node->right;
        free_node(node->left);
        free(node);
        node = next;
    }
}

static struct node *parse_expression(struct parser *parser, int level);

static struct node *parse_leaf(struct parser *parser) {
    struct node *node = NULL;
    if (++parser->depth > 200) parser->token = ERROR;
    switch (parser->token) {
        case NUMBER:
            node = make_node(CONSTANT, END, NULL, NULL);
            if (node) node->value = parser->value;
            advance(parser);
            break;
        case NAME: {
            uint64_t name = parser->name;
            advance(parser);
            if (parser->token == OPEN) {
                advance(parser);
                node = make_node(CALL, END, parse_expression(parser, 0), NULL);
                if (parser->token == CLOSE) advance(parser);
            } else if (parser->token == ASSIGN) {
                advance(parser);
                node = make_node(ASSIGNMENT, END, parse_expression(parser, 0), NULL);
            } else {
                node = make_node(VARIABLE, END, NULL, NULL);
            }
            if (node) node->name = name;
            break;
        }
        case MINUS:
            advance(parser);
            node = make_node(UNARY, MINUS, parse_leaf(parser), NULL);
            break;
        case OPEN:
            advance(parser);
            node = parse_expression(parser, 0);
            if (parser->token == CLOSE) advance(parser);
            else parser->token = ERROR;
            break;
        default: parser->token = ERROR; break;
    }
    parser->depth--;
    return node;
}

static struct node *parse_expression(struct parser *parser, int level) {
    static const int levels[] = {[PLUS] = 2, [MINUS] = 2, [TIMES] = 3, [OVER] = 3, [POWER] = 4, [LESS] = 1, [MORE] = 1};
    struct node *left = parse_leaf(parser);
    while (left && parser->token >= PLUS && parser->token <= MORE) {
        int own = parser->token < (enum token)(sizeof levels / sizeof *levels) ? levels[parser->token] : 0;
        if (own == 0 || own < level) break;
        enum token operator = parser->token;
        advance(parser);
        left = make_node(BINARY, operator, left, parse_expression(parser, operator == POWER ? own : own + 1));
    }
    return left;
}

static double apply(enum token operator, double a, double b) {
    switch (operator) {
        case PLUS: return a + b;
        case MINUS: return a - b;
        case TIMES: return a * b;
        case OVER: return b == 0 ? NAN : a / b;
        case POWER: return pow(a, b);
        case LESS: return a < b;
        case MORE: return a > b;
        default: return NAN;
    }
}

static double evaluate(struct parser *parser, const struct node *node) {
    if (!node) return NAN;
    switch (node->shape) {
        case CONSTANT: return node->value;
        case VARIABLE: {
            struct variables_entry *entry = parser->variables.entries ? variables_find(&parser->variables, node->name) : NULL;
            return entry && entry->used ? entry->value : 0;
        }
        case UNARY: return -evaluate(parser, node->left);
        case BINARY: return apply(node->operator, evaluate(parser, node->left), evaluate(parser, node->right));
        case CALL: return node->name & 1 ? sin(evaluate(parser, node->left)) : sqrt(fabs(evaluate(parser, node->left)));
        case ASSIGNMENT: {
            double value = evaluate(parser, node->left);
            return variables_put(&parser->variables, node->name, value) ? value : NAN;
        }
    }
    return NAN;
}

static void compile_node(struct parser *parser, const struct node *node) {
    if (!node) return;
    compile_node(parser, node->left);
    compile_node(parser, node->right);
    uint64_t bits;
    memcpy(&bits, &node->value, sizeof bits);
    words_push(&parser->code, (uint64_t)node->shape << 8 | node->operator);
    words_push(&parser->code, node->shape == CONSTANT ? bits : node->name);
}

static double execute(struct parser *parser) {
    parser->stack.count = 0;
    for (size_t i = 0; i + 1 < parser->code.count; i += 2) {
        double value = 0, *top = parser->stack.items + parser->stack.count;
        uint64_t word = parser->code.items[i + 1];
        switch ((enum shape)(parser->code.items[i] >> 8)) {
            case CONSTANT: memcpy(&value, &word, sizeof value); break;
            case VARIABLE: value = (double)(word % 1000); break;
            case UNARY: value = -*--top; parser->stack.count--; break;
            case BINARY: top -= 2; parser->stack.count -= 2; value = apply(parser->code.items[i] & 255, top[0], top[1]); break;
            case CALL: value = fabs(*--top); parser->stack.count--; break;
            case ASSIGNMENT: continue;
        }
        if (!numbers_push(&parser->stack, value)) return NAN;
    }
    return parser->stack.count ? parser->stack.items[parser->stack.count - 1] : NAN;
}

static size_t count_letters(const char *text, struct counts *counts, struct bytes *seen, struct names *starts) {
    for (const char *place = text; *place; place++) {
        struct counts_entry *entry = counts->entries ? counts_find(counts, (unsigned char)*place) : NULL;
        counts_put(counts, (unsigned char)*place, entry && entry->used ? entry->value + 1 : 1);
        if (!memchr(seen->items ? seen->items : (unsigned char *)"", *place, seen->count)) bytes_push(seen, (unsigned char)*place);
        if (place == text || place[-1] == ' ') names_push(starts, place);
    }
    bytes_sort(seen);
    names_sort(starts);
    return counts->count;
}

static double walk(struct places *places, struct points *path, int steps) {
    struct point here = {0, 0};
    for (int step = 0; step < steps; step++) {
        here.x += cos(step * 0.7) * (step % 5);
        here.y += sin(step * 0.3) * (step % 3);
        uint64_t key = (uint64_t)(int64_t)here.x << 32 ^ (uint32_t)(int32_t)here.y;
        if (!places_put(places, key, here) || !points_push(path, here)) return NAN;
    }
    points_sort(path);
    double length = 0;
    for (size_t i = 1; i < path->count; i++)
        length += hypot(path->items[i].x - path->items[i - 1].x, path->items[i].y - path->items[i - 1].y);
    return length;
}

int main(int count, char **arguments) {
    struct parser parser = {0};
    for (int i = 1; i < count; i++) {
        parser.text = arguments[i];
        advance(&parser);
        struct node *tree = parse_expression(&parser, 0);
        if (parser.token != END) fprintf(stderr, "%s: not understood at '%s'\n", arguments[i], parser.text);
        parser.code.count = 0;
        compile_node(&parser, tree);
        printf("%s = %g, %g\n", arguments[i], evaluate(&parser, tree), execute(&parser));
        free_node(tree);
    }
    struct counts counts = {0};
    struct bytes seen = {0};
    struct names starts = {0};
    struct places places = {0};
    struct points path = {0};
    printf("%zu letters, %g long\n", count_letters(count > 1 ? arguments[1] : "nothing", &counts, &seen, &starts), walk(&places, &path, 1000));
    bytes_free(&seen);
    names_free(&starts);
    points_free(&path);
    words_free(&parser.code);
    numbers_free(&parser.stack);
    free(counts.entries);
    free(places.entries);
    free(parser.variables.entries);
    return errno == ENOMEM;
}
