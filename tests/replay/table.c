/* table.c: fills the table of live objects as traces do, and prints how long its longest run of taken
 * entries became: looking for an object, and taking one out, cost that much. */
#include "replay_table.h"
#include <stdio.h>

static uint64_t find_longest_run(const struct replay_table *table)
{
    uint64_t longest = 0, run = 0;
    for (uint64_t i = 0; i <= table->mask; i++) {
        run = table->entries[i].key == 0 ? 0 : run + 1;
        longest = run > longest ? run : longest;
    }
    return longest;
}

static bool check(const struct replay_table *table, uint64_t object, bool is_there)
{
    const struct replay_table_entry *entry = replay_table_find(table, object);
    return is_there ? entry->key == object + 1 && entry->slot == (uint32_t)object : entry->key == 0;
}

/* Objects 0, step, 2 step, ... are born; then every third of them dies, in the order of birth. */
static bool fill(uint64_t step, uint64_t count)
{
    struct replay_table table;
    if (!replay_table_init(&table))
        return false;
    for (uint64_t i = 0; i < count; i++)
        if (!replay_table_add(&table, i * step, (uint32_t)(i * step)))
            return false;
    uint64_t longest = find_longest_run(&table);
    for (uint64_t i = 0; i < count; i += 3)
        replay_table_remove(&table, replay_table_find(&table, i * step));
    for (uint64_t i = 0; i < count; i++)
        if (!check(&table, i * step, i % 3 != 0))
            return false;
    printf("%llu %llu\n", (unsigned long long)step, (unsigned long long)longest);
    free(table.entries);
    return true;
}

int main(void)
{
    for (uint64_t step = 1; step <= 4096; step *= 2)
        if (!fill(step, 120000) || !fill(step * 3, 50000))
            return 1;
    return 0;
}
