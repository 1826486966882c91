/* replay_compile.h: turns the events of a trace, given in their order, into a replay plan. For the
 * Python side, which reads traces; the runner only reads plans. Memory: a segment a lane, some 80 bytes an
 * object that lives, and what threads there are. */
#ifndef HAK_REPLAY_COMPILE_H
#define HAK_REPLAY_COMPILE_H

#include "replay_plan.h"

struct replay_compiler;

/* Kinds of events as a trace numbers them. */
enum { TRACE_MALLOC, TRACE_CALLOC, TRACE_ALIGNED, TRACE_REALLOC, TRACE_FREE, TRACE_THREAD_START, TRACE_THREAD_END };

/* Columns of as many events; a trace's own, in its order. */
struct replay_events {
    size_t count;
    const uint8_t *kind;
    const uint32_t *thread;
    const uint64_t *object_id, *size_bytes, *alignment_bytes;
    const int64_t *time_ns;
};

/* Writes to `descriptor`, an empty file, which stays the caller's. NULL: out of memory. */
struct replay_compiler *replay_compiler_new(int descriptor);
/* 0, or -1 with one line in `error` (REPLAY_ERROR_BYTES); nothing but free is to be called then. */
int replay_compiler_add(struct replay_compiler *compiler, const struct replay_events *events, char *error);
/* Writes what is left, and the header last. */
int replay_compiler_finish(struct replay_compiler *compiler, const char *trace_checksum, char *error);
void replay_compiler_free(struct replay_compiler *compiler);

#endif
