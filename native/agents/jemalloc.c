/* jemalloc.c: jemalloc under its plain names, where it serves malloc. */
#define JEMALLOC_PREFIX ""
#define JEMALLOC_KIND "jemalloc"
#define JEMALLOC_CONF "MALLOC_CONF"
#include "jemalloc.h"

const struct agent_allocator agent_jemalloc = AGENT_ALLOCATOR(JEMALLOC_KIND);
