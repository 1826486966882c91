/* jemalloc_rjem.c: the jemalloc of Rust programs (tikv-jemallocator). */
#define JEMALLOC_PREFIX "_rjem_"
#define JEMALLOC_KIND "jemalloc-rjem"
#define JEMALLOC_CONF "_RJEM_MALLOC_CONF"
#include "jemalloc.h"

const struct agent_allocator agent_jemalloc_rjem = AGENT_ALLOCATOR(JEMALLOC_KIND);
