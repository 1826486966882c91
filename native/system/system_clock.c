/* system_clock.c: finds the clock function of the vDSO in its table of symbols. */
#include "system_clock.h"

#include "system_call.h"

#include <elf.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>

typedef long clock_function(clockid_t clock, struct timespec *now);

/* NULL if it was not found, or not yet. Stored with release; a relaxed load suffices, because the function never changes. */
static _Atomic(clock_function *) vdso_clock;

struct dynamic_tables {
    const Elf64_Sym *symbols;
    const char *names;
    const uint32_t *hash;     /* DT_HASH: buckets, symbols, ... */
    const uint32_t *gnu_hash; /* DT_GNU_HASH: buckets, first symbol, words of the filter, shift, ... */
};

/* Returns the number of symbols. Newer kernels only have the GNU table, which does not contain that number; the chain of
 * its highest bucket ends with the last symbol. */
static uint32_t count_symbols(const struct dynamic_tables *tables)
{
    if (tables->hash)
        return tables->hash[1];
    const uint32_t *table = tables->gnu_hash;
    const uint32_t *buckets = table + 4 + 2 * table[2], *chains = buckets + table[0];
    uint32_t last = 0;
    for (uint32_t i = 0; i < table[0]; i++)
        last = buckets[i] > last ? buckets[i] : last;
    if (last < table[1])
        return 0;
    while ((chains[last - table[1]] & 1) == 0)
        last++;
    return last + 1;
}

static clock_function *find_clock(const char *image)
{
    const Elf64_Ehdr *header = (const void *)image;
    const Elf64_Phdr *segments = (const void *)(image + header->e_phoff);
    const Elf64_Dyn *dynamic = NULL;
    uintptr_t shift = 0;
    for (int i = 0; i < header->e_phnum; i++) {
        if (segments[i].p_type == PT_LOAD)
            shift = (uintptr_t)image + segments[i].p_offset - segments[i].p_vaddr;
        else if (segments[i].p_type == PT_DYNAMIC)
            dynamic = (const void *)(image + segments[i].p_offset);
    }
    struct dynamic_tables tables = {0};
    for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++) {
        const void *address = (const void *)(shift + dynamic->d_un.d_ptr);
        if (dynamic->d_tag == DT_SYMTAB)
            tables.symbols = address;
        else if (dynamic->d_tag == DT_STRTAB)
            tables.names = address;
        else if (dynamic->d_tag == DT_HASH)
            tables.hash = address;
        else if (dynamic->d_tag == DT_GNU_HASH)
            tables.gnu_hash = address;
    }
    if (!tables.symbols || !tables.names || !(tables.hash || tables.gnu_hash))
        return NULL;
    for (uint32_t i = 0, count = count_symbols(&tables); i < count; i++) {
        const Elf64_Sym *symbol = &tables.symbols[i];
        if (symbol->st_shndx != SHN_UNDEF && strcmp(tables.names + symbol->st_name, "__vdso_clock_gettime") == 0)
            return (clock_function *)(shift + symbol->st_value);
    }
    return NULL;
}

void system_clock_start(void)
{
    const char *image = (const char *)getauxval(AT_SYSINFO_EHDR);
    if (image && memcmp(image, ELFMAG, SELFMAG) == 0)
        atomic_store_explicit(&vdso_clock, find_clock(image), memory_order_release);
}

static _Atomic uint64_t last_ns; /* relaxed; only used without a vDSO */

static uint64_t nanoseconds(const struct timespec *time)
{
    return (uint64_t)time->tv_sec * 1000000000u + (uint64_t)time->tv_nsec;
}

uint64_t system_clock_ns(clockid_t clock)
{
    struct timespec now = {0};
    clock_function *read_clock = atomic_load_explicit(&vdso_clock, memory_order_relaxed);
    if (read_clock && read_clock(clock, &now) == 0)
        return nanoseconds(&now);
    SYSTEM_CALL(SYS_clock_gettime, clock, &now);
    atomic_store_explicit(&last_ns, nanoseconds(&now), memory_order_relaxed);
    return nanoseconds(&now);
}

uint64_t system_clock_coarse_ns(void)
{
    struct timespec now;
    clock_function *read_clock = atomic_load_explicit(&vdso_clock, memory_order_relaxed);
    return read_clock && read_clock(CLOCK_MONOTONIC_COARSE, &now) == 0
               ? nanoseconds(&now)
               : atomic_load_explicit(&last_ns, memory_order_relaxed);
}
