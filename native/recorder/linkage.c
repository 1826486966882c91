/* linkage.c: linkage.h. */
#include "linkage.h"

#include "next_allocator.h"
#include "own_symbol.h"
#include "processor.h"
#include "program_calls.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A function that is replaced: by which, and what stood there before. `entry` is where the program's own file has all
 * objects look for it, if that file has an entry for it and takes its address (own_symbol.h). */
struct replacement {
    const char *name;
    uintptr_t ours, theirs, entry; /* 0: it is not replaced; there is no such entry */
};

static void *looked_up(void *handle, const char *name);

/* In alphabetical order. The operators come first: a capital letter follows their underscore. */
static struct replacement replacements[] = {
    {.name = "_Exit"},
    {.name = "_ZdaPv"},
    {.name = "_ZdaPvRKSt9nothrow_t"},
    {.name = "_ZdaPvSt11align_val_t"},
    {.name = "_ZdaPvSt11align_val_tRKSt9nothrow_t"},
    {.name = "_ZdaPvm"},
    {.name = "_ZdaPvmSt11align_val_t"},
    {.name = "_ZdlPv"},
    {.name = "_ZdlPvRKSt9nothrow_t"},
    {.name = "_ZdlPvSt11align_val_t"},
    {.name = "_ZdlPvSt11align_val_tRKSt9nothrow_t"},
    {.name = "_ZdlPvm"},
    {.name = "_ZdlPvmSt11align_val_t"},
    {.name = "_Znam"},
    {.name = "_ZnamRKSt9nothrow_t"},
    {.name = "_ZnamSt11align_val_t"},
    {.name = "_ZnamSt11align_val_tRKSt9nothrow_t"},
    {.name = "_Znwm"},
    {.name = "_ZnwmRKSt9nothrow_t"},
    {.name = "_ZnwmSt11align_val_t"},
    {.name = "_ZnwmSt11align_val_tRKSt9nothrow_t"},
    {.name = "_exit"},
    {.name = "aligned_alloc"},
    {.name = "calloc"},
    {.name = "dlclose"},
    {.name = "dlsym"},
    {.name = "free"},
    {.name = "malloc"},
    {.name = "memalign"},
    {.name = "posix_memalign"},
    {.name = "pvalloc"},
    {.name = "realloc"},
    {.name = "reallocarray"},
    {.name = "valloc"},
};
enum { REPLACEMENTS = sizeof replacements / sizeof *replacements };

static const char *const cxx_libraries[] = {"libstdc++.so.6", "libc++.so.1"};

static void *(*next_dlsym)(void *, const char *);
static _Atomic bool is_changing;           /* acquire and release */
static _Atomic bool is_installed;          /* relaxed: a thread that sees it late records late */
static _Atomic unsigned long long objects; /* how many were ever loaded when the tables were last changed; relaxed */

static struct replacement *find(const char *name)
{
    size_t low = 0, high = REPLACEMENTS;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(name, replacements[middle].name);
        if (order == 0)
            return replacements[middle].theirs ? &replacements[middle] : NULL;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* --- one object's table ---------------------------------------------------------------------------------- */

/* What an object's headers tell. */
struct object {
    uintptr_t base;
    uintptr_t code_start, code_end;     /* executable, with the stubs to which an unbound entry points */
    uintptr_t guarded_start, guarded_end; /* made read-only after the loader bound it */
    const ElfW(Sym) * symbols;
    const char *names;
    struct {
        const ElfW(Rela) * first;
        size_t bytes;
    } tables[2];
};

/* The loader has made addresses of most objects' entries absolute, and left those of a few as they are in the file. */
static uintptr_t absolute(const struct object *object, ElfW(Addr) value)
{
    return value < object->base ? object->base + value : value;
}

static bool read_object(const struct dl_phdr_info *info, struct object *out)
{
    const ElfW(Dyn) *dynamic = NULL;
    *out = (struct object){.base = info->dlpi_addr};
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + part->p_vaddr;
        if (part->p_type == PT_DYNAMIC) {
            dynamic = (const ElfW(Dyn) *)start;
        } else if (part->p_type == PT_LOAD && (part->p_flags & PF_X) && !out->code_end) {
            out->code_start = start;
            out->code_end = start + part->p_memsz;
        } else if (part->p_type == PT_GNU_RELRO) {
            out->guarded_start = start;
            out->guarded_end = start + part->p_memsz;
        }
    }
    if (!dynamic || (uintptr_t)find - out->code_start < out->code_end - out->code_start)
        return false; /* static, or the recorder itself */
    for (; dynamic->d_tag != DT_NULL; dynamic++) {
        uintptr_t place = absolute(out, dynamic->d_un.d_ptr);
        switch (dynamic->d_tag) {
        case DT_SYMTAB: out->symbols = (const ElfW(Sym) *)place; break;
        case DT_STRTAB: out->names = (const char *)place; break;
        case DT_RELA: out->tables[0].first = (const ElfW(Rela) *)place; break;
        case DT_RELASZ: out->tables[0].bytes = dynamic->d_un.d_val; break;
        case DT_JMPREL: out->tables[1].first = (const ElfW(Rela) *)place; break;
        case DT_PLTRELSZ: out->tables[1].bytes = dynamic->d_un.d_val; break;
        default: break;
        }
    }
    return out->symbols && out->names;
}

/* Replaces what stands in an entry. Threads call through it meanwhile, and find the one or the other. */
static void store(const struct object *object, uintptr_t place, uintptr_t value)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start = place & ~(page - 1);
    /* The guarded part ends where its last page does, or before: as the loader reckons it. */
    bool is_guarded = place >= (object->guarded_start & ~(page - 1)) && place < (object->guarded_end & ~(page - 1));
    if (is_guarded && mprotect((void *)start, page, PROT_READ | PROT_WRITE))
        return;
    __atomic_store_n((uintptr_t *)place, value, __ATOMIC_RELEASE);
    if (is_guarded)
        mprotect((void *)start, page, PROT_READ);
}

static void change_entry(const struct object *object, const ElfW(Rela) * entry, bool installs)
{
    unsigned type = (unsigned)ELF64_R_TYPE(entry->r_info);
    if (entry->r_addend || (type != PROCESSOR_RELOCATION_SLOT && type != PROCESSOR_RELOCATION_TABLE &&
                            type != PROCESSOR_RELOCATION_POINTER))
        return;
    const struct replacement *found = find(object->names + object->symbols[ELF64_R_SYM(entry->r_info)].st_name);
    uintptr_t place = object->base + entry->r_offset;
    if (!found || place % sizeof place)
        return;
    uintptr_t now = __atomic_load_n((const uintptr_t *)place, __ATOMIC_RELAXED);
    if (!installs) {
        if (now == found->ours)
            store(object, place, found->theirs);
        return;
    }
    /* An entry that was never called through leads to a stub, which would ask the loader. Any other that is not bound to
     * the function which serves the program belongs to an allocator of the object's own. */
    bool is_unbound = type == PROCESSOR_RELOCATION_SLOT && now - object->code_start < object->code_end - object->code_start;
    if (now == found->theirs || (found->entry && now == found->entry) || is_unbound)
        store(object, place, found->ours);
}

static int change_object(struct dl_phdr_info *info, size_t bytes, void *installs)
{
    (void)bytes;
    atomic_store_explicit(&objects, info->dlpi_adds, memory_order_relaxed);
    struct object object;
    if (!read_object(info, &object))
        return 0;
    for (size_t i = 0; i < 2; i++)
        for (size_t at = 0; at < object.tables[i].bytes / sizeof(ElfW(Rela)); at++)
            change_entry(&object, &object.tables[i].first[at], *(const bool *)installs);
    return 0;
}

/* One thread at a time: the guard of a page is lifted and put back. */
static void change_all(bool installs)
{
    while (atomic_exchange_explicit(&is_changing, true, memory_order_acquire))
        sched_yield();
    dl_iterate_phdr(change_object, &installs);
    atomic_store_explicit(&is_changing, false, memory_order_release);
}

/* --- which functions -------------------------------------------------------------------------------------- */

static uintptr_t look_up(void *handle, const char *name)
{
    return (uintptr_t)dlsym(handle, name);
}

/* Finds the function behind an entry of the program's own file: that of the first library which defines it. */
static uintptr_t look_behind(const char *name)
{
    void *program = dlopen(NULL, RTLD_LAZY), *object = NULL;
    struct link_map *first = NULL;
    uintptr_t found = 0;
    if (program && !dlinfo(program, RTLD_DI_LINKMAP, &first)) {
        for (struct link_map *one = first->l_next; one && !found; one = one->l_next) {
            Dl_info where;
            object = dlopen(one->l_name, RTLD_LAZY | RTLD_NOLOAD);
            found = object ? look_up(object, name) : 0;
            if (found && (!dladdr((void *)found, &where) || (uintptr_t)where.dli_fbase != one->l_addr))
                found = 0;
            if (object)
                dlclose(object);
        }
    }
    if (program)
        dlclose(program);
    return found;
}

static void find_theirs(struct replacement *one)
{
    one->theirs = look_up(RTLD_DEFAULT, one->name);
    one->entry = one->theirs && is_linkage_entry((void *)one->theirs) ? one->theirs : 0;
    if (one->entry)
        one->theirs = look_behind(one->name);
}

static bool is_operator(const struct replacement *one)
{
    return !strncmp(one->name, "_Z", 2);
}

/* The operators are replaced only if none of them is the program's own; else what they call is recorded. */
static void find_operators(void *own)
{
    void *library = NULL;
    for (size_t i = 0; !library && i < sizeof cxx_libraries / sizeof *cxx_libraries; i++)
        library = dlopen(cxx_libraries[i], RTLD_LAZY | RTLD_NOLOAD);
    bool are_replaced = !library;
    for (struct replacement *one = replacements; !are_replaced && one < replacements + REPLACEMENTS; one++) {
        if (!is_operator(one))
            continue;
        find_theirs(one);
        one->ours = look_up(own, one->name);
        uintptr_t runtime = look_up(library, one->name);
        /* A library that was loaded for itself is in no search order, and then the recorder's own name is found. */
        if (!one->theirs || one->theirs == one->ours)
            one->theirs = runtime;
        are_replaced = one->theirs != runtime;
    }
    for (struct replacement *one = replacements; are_replaced && one < replacements + REPLACEMENTS; one++)
        if (is_operator(one))
            one->theirs = 0;
    program_calls_set_attached(are_replaced);
    if (library)
        dlclose(library);
}

static void *find_own(void)
{
    Dl_info where;
    return dladdr((void *)find, &where) ? dlopen(where.dli_fname, RTLD_LAZY | RTLD_NOLOAD) : NULL;
}

static void *find_next(const char *name)
{
    const struct replacement *found = find(name);
    return found ? (void *)found->theirs : NULL;
}

const char *linkage_install(void)
{
    void *own = find_own();
    if (!own)
        return "the recorder does not find its own file";
    struct replacement *served = NULL;
    for (struct replacement *one = replacements; one < replacements + REPLACEMENTS; one++) {
        if (is_operator(one))
            continue;
        one->ours = look_up(own, one->name);
        find_theirs(one);
        if (!strcmp(one->name, "malloc"))
            served = one;
        if (!strcmp(one->name, "dlsym")) { /* under that name it would replace the loader's in a preloaded recorder */
            one->ours = (uintptr_t)looked_up;
            memcpy(&next_dlsym, &one->theirs, sizeof next_dlsym);
        }
    }
    const char *why = NULL;
    if (served && served->theirs != served->ours) { /* else it was preloaded, and its names are enough */
        find_operators(own);
        if (next_allocator_take(find_next)) {
            change_all(true);
            atomic_store_explicit(&is_installed, true, memory_order_relaxed);
        } else {
            why = "malloc and free cannot be found by their names";
        }
    }
    dlclose(own);
    return why;
}

void linkage_restore(void)
{
    if (atomic_exchange_explicit(&is_installed, false, memory_order_relaxed))
        change_all(false);
}

static int count_objects(struct dl_phdr_info *info, size_t bytes, void *out)
{
    (void)bytes;
    *(unsigned long long *)out = info->dlpi_adds;
    return 1;
}

void linkage_follow(void)
{
    unsigned long long now = 0;
    if (!atomic_load_explicit(&is_installed, memory_order_relaxed))
        return;
    dl_iterate_phdr(count_objects, &now);
    if (now != atomic_load_explicit(&objects, memory_order_relaxed))
        change_all(true);
}

/* In the place of dlsym: what was loaded since is seen to before the program gets a function of it. The call of the next
 * dlsym is a jump, so that it sees the program as its caller. */
static void *looked_up(void *handle, const char *name)
{
    linkage_follow();
    return next_dlsym(handle, name);
}
