/* big_copies.c: the list of what lies free in the copies of the BigCache. */
#include "big_copies.h"

#include "settings.h"

#include <string.h>

#define NONE 0u
#define EVERY_COPY ((1u << BIG_SIZE_COUNT) - 1)
#define MOST_SHIFT 12
#define LFU_ENTRIES 32   /* as many as the BigCache looks at (big_table.c) */
#define SEARCH_ENTRIES 256 /* a search for a block of another call site looks at so many */
#define KIB 1024

const uint64_t big_copy_bytes[BIG_SIZE_COUNT] = {
#define BIG_SIZE(bytes) UINT64_C(bytes),
#include "big_ladder.def"
};
const int32_t big_copy_delays_ms[BIG_DELAY_COUNT] = {
#define BIG_DELAY(ms) ms,
#include "big_ladder.def"
};

static uint32_t hash_key(uint32_t frames, uint64_t call_site)
{
    uint64_t hash = (call_site + big_class(frames) + 1) * UINT64_C(0x9e3779b97f4a7c15);
    hash = (hash ^ hash >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    return (uint32_t)(hash >> 32);
}

static bool is_sampled(const struct big_copies *copies, uint32_t hash)
{
    return (hash >> 16 & ((1u << copies->shift) - 1)) == 0;
}

static uint16_t *chain_of(struct big_copies *copies, uint32_t hash)
{
    return &copies->chains[hash % BIG_COPY_CHAINS];
}

void big_copies_forget(struct big_copies *copies)
{
    memset(copies, 0, offsetof(struct big_copies, entries));
}

/* ---- entries ---------------------------------------------------------------------------------------------------- */

static void remove_entry(struct big_copies *copies, uint16_t index)
{
    struct big_copy_entry *entry = &copies->entries[index];
    uint16_t *link = chain_of(copies, entry->hash);
    while (*link != index)
        link = &copies->entries[*link].chain_next;
    *link = entry->chain_next;
    for (unsigned i = 0; i < BIG_SIZE_COUNT; i++)
        if (copies->first[i] == index)
            copies->first[i] = entry->newer;
    if (entry->older)
        copies->entries[entry->older].newer = entry->newer;
    else
        copies->oldest = entry->newer;
    if (entry->newer)
        copies->entries[entry->newer].older = entry->older;
    else
        copies->newest = entry->older;
    entry->older = copies->spare;
    copies->spare = index;
    if (--copies->count == 0)
        copies->shift = 0;
}

/* The entry leaves these copies. */
static void leave(struct big_copies *copies, uint16_t index, unsigned left)
{
    struct big_copy_entry *entry = &copies->entries[index];
    entry->copies &= (uint16_t)~left;
    for (; left; left &= left - 1)
        copies->bytes[__builtin_ctz(left)] -= entry->block.bytes;
    if (entry->copies == 0)
        remove_entry(copies, index);
}

/* Halves the keys that count. */
static void thin(struct big_copies *copies)
{
    copies->shift++;
    for (uint16_t index = copies->oldest, newer; index; index = newer) {
        newer = copies->entries[index].newer;
        if (!is_sampled(copies, copies->entries[index].hash))
            leave(copies, index, copies->entries[index].copies);
    }
}

static uint16_t new_entry(struct big_copies *copies)
{
    uint16_t index = copies->spare;
    if (index)
        copies->spare = copies->entries[index].older;
    else
        index = ++copies->used;
    copies->count++;
    return index;
}

static uint16_t add(struct big_copies *copies, const struct big_copy_block *block, uint32_t hash, uint32_t now_ms)
{
    uint16_t index = new_entry(copies), *chain = chain_of(copies, hash);
    copies->entries[index] = (struct big_copy_entry){.block = *block,
                                                     .idle_since_ms = now_ms,
                                                     .hash = hash,
                                                     .older = copies->newest,
                                                     .chain_next = *chain};
    *chain = index;
    if (copies->newest)
        copies->entries[copies->newest].newer = index;
    else
        copies->oldest = index;
    return copies->newest = index;
}

/* The entry that a copy lets go. */
static uint16_t find_victim(struct big_copies *copies, unsigned copy, int policy)
{
    uint16_t index = copies->first[copy], victim = NONE;
    for (unsigned seen = 0; index && seen < LFU_ENTRIES; index = copies->entries[index].newer) {
        if (!(copies->entries[index].copies >> copy & 1))
            continue;
        if (seen++ == 0)
            copies->first[copy] = victim = index;
        if (policy != BIG_LFU)
            return victim;
        if (copies->entries[index].block.uses < copies->entries[victim].block.uses)
            victim = index;
    }
    return victim;
}

/* A block enters those of the given copies that it fits in. */
static void enter(struct big_copies *copies, const struct big_copy_block *block, unsigned given, uint32_t now_ms, int policy)
{
    uint32_t hash = hash_key(block->frames, block->call_site);
    unsigned entered = given;
    for (unsigned i = 0; i < BIG_SIZE_COUNT; i++)
        if (block->bytes > big_copy_bytes[i])
            entered &= ~(1u << i);
    while (copies->count == BIG_COPY_ENTRIES && copies->shift < MOST_SHIFT)
        thin(copies);
    if (!entered || !is_sampled(copies, hash))
        return;
    if (copies->count == BIG_COPY_ENTRIES)
        leave(copies, copies->oldest, copies->entries[copies->oldest].copies);
    uint16_t index = add(copies, block, hash, now_ms);
    copies->entries[index].copies = (uint16_t)entered;
    for (unsigned i = 0; i < BIG_SIZE_COUNT; i++) {
        if (!(entered >> i & 1))
            continue;
        if (!copies->first[i])
            copies->first[i] = index;
        copies->bytes[i] += block->bytes;
    }
    for (unsigned i = 0; i < BIG_SIZE_COUNT; i++)
        while (copies->bytes[i] > big_copy_bytes[i] >> copies->shift)
            leave(copies, find_victim(copies, i, policy), 1u << i);
}

void big_copies_give(struct big_copies *copies, const struct big_copy_block *block,
                     const struct big_copied copied[BIG_COPIED], uint32_t now_ms, int policy)
{
    unsigned left = EVERY_COPY;
    for (unsigned i = 0; i < BIG_COPIED; i++) {
        struct big_copy_block theirs = *block;
        uint64_t bytes = (uint64_t)copied[i].pages * PAGE_BYTES;
        if (copied[i].frames > theirs.frames)
            theirs.frames = copied[i].frames;
        if (bytes > theirs.bytes)
            theirs.bytes = bytes;
        theirs.uses = policy == BIG_LFU ? copied[i].uses : 0;
        if (theirs.frames == block->frames && theirs.bytes == block->bytes && theirs.uses == 0)
            continue; /* like the new one of those that had none */
        enter(copies, &theirs, copied[i].copies & left, now_ms, policy);
        left &= ~(unsigned)copied[i].copies;
    }
    enter(copies, block, left, now_ms, policy);
}

/* ---- searches --------------------------------------------------------------------------------------------------- */

struct search {
    struct big_copies *copies;
    struct telemetry_big_copies *told;
    const struct big_request *request;
    uint32_t now_ms;
    struct big_copied *copied;
    unsigned missing; /* copies that have not found a block yet */
    bool is_same_site;
};

static bool fits(const struct search *search, const struct big_copy_block *block)
{
    return block->frames >= search->request->frames && block->frames <= 2 * search->request->frames &&
           search->request->alignment >> block->log_alignment <= 1;
}

/* Writes down a block that some copies have. If there is no place left, it counts as the one that was found last. */
static void note(struct search *search, const struct big_copy_block *block, unsigned hits)
{
    const struct big_copied found = {.frames = block->frames,
                                     .pages = (uint32_t)(block->bytes / PAGE_BYTES),
                                     .uses = search->is_same_site && block->uses < UINT16_MAX ? block->uses + 1 : 1};
    struct big_copied *place = search->copied, *last = place + BIG_COPIED - 1;
    while (place < last && place->copies && (place->frames != found.frames || place->pages != found.pages || place->uses != found.uses))
        place++;
    unsigned copies = place->copies | hits;
    if (!place->copies)
        *place = found;
    place->copies = (uint16_t)copies;
}

static void take(struct search *search, uint16_t index)
{
    const struct big_copy_entry *entry = &search->copies->entries[index];
    unsigned hits = entry->copies & search->missing, delay = 0;
    if (!hits)
        return;
    int32_t idle_ms = (int32_t)(search->now_ms - entry->idle_since_ms);
    while (delay < BIG_DELAY_COUNT - 1 && idle_ms >= big_copy_delays_ms[delay])
        delay++;
    for (unsigned left = hits; left; left &= left - 1)
        telemetry_bump(&search->told->of_size[__builtin_ctz(left)].of_delay[delay].hits, INT64_C(1) << search->copies->shift);
    search->missing &= ~hits;
    note(search, &entry->block, hits);
    leave(search->copies, index, hits);
}

static void search_site(struct search *search, uint32_t hash)
{
    struct big_copies *copies = search->copies;
    unsigned class_index = big_class(search->request->frames);
    for (uint16_t index = *chain_of(copies, hash), next; index && search->missing; index = next) {
        const struct big_copy_block *block = &copies->entries[index].block;
        next = copies->entries[index].chain_next;
        if (block->call_site == search->request->call_site && big_class(block->frames) == class_index && fits(search, block))
            take(search, index);
    }
}

static void search_class(struct search *search, unsigned class_index)
{
    struct big_copies *copies = search->copies;
    unsigned seen = 0;
    for (uint16_t index = copies->newest, older; index && search->missing && seen < SEARCH_ENTRIES; index = older, seen++) {
        const struct big_copy_block *block = &copies->entries[index].block;
        older = copies->entries[index].older;
        if (big_class(block->frames) == class_index && fits(search, block))
            take(search, index);
    }
}

void big_copies_take(struct big_copies *copies, struct telemetry_big_copies *told, const struct big_request *request,
                     uint32_t now_ms, struct big_copied copied[BIG_COPIED])
{
    uint32_t hash = hash_key(request->frames, request->call_site);
    unsigned class_index = big_class(request->frames), above = big_class(2 * request->frames);
    memset(copied, 0, BIG_COPIED * sizeof *copied);
    if (!is_sampled(copies, hash))
        return;
    uint32_t shift = copies->shift;
    struct search search = {.copies = copies,
                            .told = told,
                            .request = request,
                            .now_ms = now_ms,
                            .copied = copied,
                            .missing = EVERY_COPY,
                            .is_same_site = true};
    search_site(&search, hash);
    search.is_same_site = false;
    search_class(&search, class_index);
    if (above != class_index)
        search_class(&search, above);
    for (unsigned i = 0; i < BIG_SIZE_COUNT; i++) {
        telemetry_bump(&told->of_size[i].lookups, INT64_C(1) << shift);
        telemetry_bump(&told->of_size[i].held_kib, (int64_t)(copies->bytes[i] / KIB << 2 * shift));
    }
}

/* ---- checks ----------------------------------------------------------------------------------------------------- */

bool big_copies_are_valid(const struct big_copies *copies)
{
    bool valid = copies->shift <= MOST_SHIFT && copies->used <= BIG_COPY_ENTRIES;
    uint64_t bytes[BIG_SIZE_COUNT] = {0};
    unsigned count = 0, chained = 0, older = NONE, reached = 0;
    for (unsigned index = copies->oldest; index && valid; older = index, index = copies->entries[index].newer) {
        const struct big_copy_entry *entry = &copies->entries[index];
        valid &= entry->older == older && is_sampled(copies, entry->hash) && entry->copies && ++count <= copies->count;
        for (unsigned i = 0; i < BIG_SIZE_COUNT; i++) {
            reached |= (unsigned)(copies->first[i] == index) << i;
            bytes[i] += entry->copies >> i & 1 ? entry->block.bytes : 0;
        }
        valid &= (entry->copies & ~reached) == 0;
    }
    valid &= count == copies->count && copies->newest == older;
    for (unsigned chain = 0; chain < BIG_COPY_CHAINS; chain++)
        for (unsigned index = copies->chains[chain]; index && valid; index = copies->entries[index].chain_next)
            valid &= copies->entries[index].hash % BIG_COPY_CHAINS == chain && ++chained <= count;
    for (unsigned i = 0; i < BIG_SIZE_COUNT; i++)
        valid &= bytes[i] == copies->bytes[i] && bytes[i] <= big_copy_bytes[i] >> copies->shift;
    return valid && chained == count;
}
