/* replay_compile.h: turns the events of a trace, given in their order, into a replay plan. The Python
 * side, which reads traces, calls it; the runner only reads plans. It needs a segment for each lane, some 80 bytes for
 * each live object, and a table of threads. */
#ifndef HAK_REPLAY_COMPILE_H
#define HAK_REPLAY_COMPILE_H

#include "replay_plan.h"

struct replay_compiler;

/* The kinds of events in the trace format. */
enum { TRACE_MALLOC, TRACE_CALLOC, TRACE_ALIGNED, TRACE_REALLOC, TRACE_FREE, TRACE_THREAD_START, TRACE_THREAD_END };

/* Columns of `count` events of a trace, in its order. */
struct replay_events {
    size_t count;
    const uint8_t *kind;
    const uint32_t *thread;
    const uint64_t *object_id, *size_bytes, *alignment_bytes;
    const int64_t *time_ns;
};

/* Makes a compiler that writes to `descriptor`, an empty file, which the caller closes. Returns NULL if there is no
 * memory. */
struct replay_compiler *replay_compiler_new(int descriptor);
/* Returns 0, or -1 with one line in `error` (REPLAY_ERROR_BYTES). After -1 only replay_compiler_free may be called. */
int replay_compiler_add(struct replay_compiler *compiler, const struct replay_events *events, char *error);
/* Writes the remaining segments, and then the header. */
int replay_compiler_finish(struct replay_compiler *compiler, const char *trace_checksum, char *error);
void replay_compiler_free(struct replay_compiler *compiler);

#endif
