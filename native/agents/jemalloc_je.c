/* jemalloc_je.c: a jemalloc with the prefix je_. */
#define JEMALLOC_PREFIX "je_"
#define JEMALLOC_KIND "jemalloc-je"
#define JEMALLOC_CONF "JE_MALLOC_CONF"
#include "jemalloc.h"

const struct agent_allocator agent_jemalloc_je = AGENT_ALLOCATOR(JEMALLOC_KIND);
