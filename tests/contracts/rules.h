/* rules.h: a program of rules. RULE(name) { ... } defines one and adds it to the program; CHECK ends
 * the program with exit 1 and the line that did not hold. `program RULE` follows one rule.
 * Nothing here allocates: the rules are the first to use the allocator. */
#ifndef RULES_H
#define RULES_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAXIMUM_RULES 100

struct rule {
    const char *name;
    void (*follow)(void);
};

static struct rule rules[MAXIMUM_RULES];
static int rule_count;

#define RULE(name_)                                                                                    \
    static void name_(void);                                                                           \
    __attribute__((constructor)) static void add_##name_(void)                                         \
    {                                                                                                  \
        rules[rule_count].name = #name_;                                                               \
        rules[rule_count++].follow = name_;                                                            \
    }                                                                                                  \
    static void name_(void)

#define CHECK(condition)                                                                               \
    do {                                                                                               \
        if (!(condition)) {                                                                            \
            dprintf(STDERR_FILENO, "line %d: %s does not hold\n", __LINE__, #condition);               \
            _exit(1);                                                                                  \
        }                                                                                              \
    } while (0)

int main(int count, char **words)
{
    for (int i = 0; count == 2 && i < rule_count; i++) {
        if (strcmp(rules[i].name, words[1]) == 0) {
            rules[i].follow();
            return 0;
        }
    }
    dprintf(STDERR_FILENO, "usage: %s RULE\n", words[0]);
    return 2;
}

#endif
