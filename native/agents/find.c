/* find.c: find.h, by the loader's tables and by the program's file. */
#include "find.h"

#include "own_symbol.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A program that takes malloc's address may have an entry of its linkage table stand for it: then another function of
 * the same allocator tells. */
static Dl_info server(void)
{
    static const char *const calls[] = {"malloc", "free", "calloc", "realloc", "posix_memalign"};
    Dl_info info = {0};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        void *call = dlsym(RTLD_DEFAULT, calls[i]);
        if (call && !is_linkage_entry(call) && dladdr(call, &info))
            return info;
    }
    return (Dl_info){0};
}

bool find_serves(const void *address)
{
    Dl_info info;
    const void *base = server().dli_fbase;
    return base && address && dladdr(address, &info) && info.dli_fbase == base;
}

const char *find_server(void)
{
    const char *path = server().dli_fname;
    return path ? path : "";
}

/* ---- the program's own file ----------------------------------------------------------------- */

struct file {
    const char *map;
    size_t bytes;
};

/* An array within the file, or NULL: the file may be anything. */
static const void *part(const struct file *file, uint64_t offset, uint64_t count, uint64_t size)
{
    uint64_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || offset > file->bytes || bytes > file->bytes - offset)
        return NULL;
    return file->map + offset;
}

static uintptr_t find_in_table(const struct file *file, const Elf64_Shdr *table, const Elf64_Shdr *names,
                               const char *name)
{
    size_t count = table->sh_size / sizeof(Elf64_Sym), length = strlen(name) + 1;
    const Elf64_Sym *symbols = part(file, table->sh_offset, count, sizeof *symbols);
    const char *text = part(file, names->sh_offset, names->sh_size, 1);
    for (size_t i = 0; symbols && text && i < count; i++)
        if (ELF64_ST_TYPE(symbols[i].st_info) == STT_FUNC && symbols[i].st_value && symbols[i].st_name + length <= names->sh_size &&
            memcmp(text + symbols[i].st_name, name, length) == 0)
            return symbols[i].st_value;
    return 0;
}

/* Where the file says that the name is; 0: nowhere. */
static uintptr_t find_in_file(const struct file *file, const char *name, bool *has_table)
{
    const Elf64_Ehdr *header = part(file, 0, 1, sizeof *header);
    const Elf64_Shdr *sections = header ? part(file, header->e_shoff, header->e_shnum, sizeof *sections) : NULL;
    *has_table = false;
    for (unsigned i = 0; sections && i < header->e_shnum; i++) {
        if (sections[i].sh_type != SHT_SYMTAB || sections[i].sh_link >= header->e_shnum)
            continue;
        *has_table = true;
        return find_in_table(file, &sections[i], &sections[sections[i].sh_link], name);
    }
    return 0;
}

static uintptr_t find_in_program(const char *name, bool *has_table)
{
    struct stat status;
    *has_table = false;
    int descriptor = open("/proc/thread-self/exe", O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return 0;
    struct file file = {.bytes = fstat(descriptor, &status) == 0 ? (size_t)status.st_size : 0};
    file.map = mmap(NULL, file.bytes, PROT_READ, MAP_PRIVATE, descriptor, 0);
    close(descriptor);
    if (file.map == MAP_FAILED)
        return 0;
    uintptr_t place = find_in_file(&file, name, has_table);
    munmap((void *)file.map, file.bytes);
    return place;
}

/* The program is the first object that the loader lists. */
static int note_program(struct dl_phdr_info *info, size_t bytes, void *program)
{
    (void)bytes;
    *(struct dl_phdr_info *)program = *info;
    return 1;
}

static bool is_program_server(void)
{
    struct dl_phdr_info program = {0};
    uintptr_t base = (uintptr_t)server().dli_fbase;
    dl_iterate_phdr(note_program, &program);
    for (unsigned i = 0; i < program.dlpi_phnum; i++)
        if (program.dlpi_phdr[i].p_type == PT_LOAD && program.dlpi_phdr[i].p_offset == 0)
            return base == program.dlpi_addr + program.dlpi_phdr[i].p_vaddr;
    return false;
}

void *find_program_symbol(const char *name)
{
    bool has_table;
    void *symbol = dlsym(RTLD_DEFAULT, name);
    uintptr_t place = symbol ? 0 : find_in_program(name, &has_table);
    struct dl_phdr_info program = {0};
    dl_iterate_phdr(note_program, &program);
    return place ? (void *)(place + program.dlpi_addr) : symbol;
}

void *find_symbol(const char *name)
{
    return is_program_server() ? find_program_symbol(name) : dlsym(RTLD_DEFAULT, name);
}

bool find_is_stripped(void)
{
    bool has_table;
    find_in_program("", &has_table);
    return is_program_server() && !has_table;
}
