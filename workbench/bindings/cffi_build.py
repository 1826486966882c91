"""What the cffi module declares: C functions and structures that Python calls and reads.

The build generates `_cffi.c` from `ffibuilder`; nothing else names cffi. Structures end in `...`
where Python needs only some of their fields.
"""

from __future__ import annotations

from cffi import FFI

ffibuilder = FFI()

CONSTANTS = "".join(
    f"#define {name} ...\n"
    for name in (
        "HAK_NO_AXIS", "HAK_TYPE_ACTION", "HAK_BLOCK_SERVES_MALLOC", "HAK_TUNABLE_WRITE_ONLY",
        "HAK_ERROR_NOT_PERMITTED", "HAK_ERROR_NO_PROCESS", "HAK_ERROR_WRONG_ABI", "HAK_ERROR_DAMAGED",
        "HAK_ERROR_UNKNOWN", "HAK_ERROR_RANGE", "HAK_ERROR_CONSTRAINT", "HAK_ERROR_START_ONLY",
        "HAK_ERROR_READ_ONLY", "HAK_ERROR_BUFFER", "HAK_ERROR_LEASED", "WORKLOAD_ERROR_BYTES",
        "WORKLOAD_MAX_THREADS", "REPLAY_ERROR_BYTES", "HAK_ERROR_TEXT_BYTES", "HAK_INJECTED_ENTRY",
        "HAK_INJECTED_NOT_LOADED", "HAK_INJECTED_DONE",
    )
)  # fmt: skip

BLOCK = """
struct hak_tunable {
    char name[48], group[32], unit[24], help[200], choices[96], environment[64];
    uint32_t type, scale, effect, flags;
    double minimum, maximum, default_value;
    ...;
};
struct hak_constraint { uint32_t lower, upper, strict; ...; };
struct hak_metric {
    char name[48], group[32], unit[24], help[160], chart[32];
    uint32_t kind, fold, role, is_step, axis[2], operand_a, operand_b;
    uint64_t offset, stride[2];
    ...;
};
struct hak_axis { char name[24]; uint32_t maximum, count, first_item, item_count; ...; };
struct hak_axis_item { char label[24], group[8]; ...; };
struct hak_event_kind { char name[24], help[96], unit[24]; uint32_t is_capacity, axis; ...; };
struct hak_event_cause { char name[24]; ...; };
struct hak_event {
    uint64_t time_ns, operation;
    double old_value, new_value;
    uint32_t thread;
    uint16_t kind, cause;
    uint32_t item;
    ...;
};
struct hak_header {
    uint32_t pid, uid, access, flags;
    uint64_t start_ticks, created_ns, pid_namespace, memory_start, memory_end, memory_layout;
    char kind[16], build[96], command[256];
    ...;
};
"""

MEMORY = """
struct hak_memory {
    uint32_t bytes, chunk_bytes, chunk_slabs, class_count;
    uint64_t frames_start, static_start, static_end, segments, entries_ever;
    uint32_t first_segment_entries;
    uint32_t chunk_stride, chunk_base, chunk_frames, chunk_kind, chunk_big_state, chunk_bits;
    uint32_t chunk_slabs_offset;
    uint32_t slab_stride, slab_used, slab_bump, slab_remote_count, slab_state, slab_class, slab_span;
    uint32_t kind_slabs, kind_big, state_class, state_large, big_at_user, big_cached;
    uint32_t class_bytes[...];
    uint64_t caches;
    uint32_t cache_next, cache_bins, cache_bin_count, bin_stride, bin_top, bin_base;
    uint32_t bits_line_bytes, bits_stride;
    ...;
};
"""

READER = """
struct hak_reader { struct hak_header header; ...; };
struct hak_reader *reader_new(void);
void reader_free(struct hak_reader *reader);

int hak_reader_open(struct hak_reader *reader, const char *path, char *error);
void hak_reader_close(struct hak_reader *reader);
int hak_reader_alive(struct hak_reader *reader, char *error);
int hak_reader_setter(struct hak_reader *reader, uint64_t generation, char *error);
int hak_reader_requested(struct hak_reader *reader, double *values, uint32_t count, uint64_t *generation,
                         char *error);
int hak_reader_effective(struct hak_reader *reader, double *values, uint32_t count, uint64_t *generation,
                         char *error);
int hak_reader_set(struct hak_reader *reader, const uint32_t *index, const double *value, uint32_t count,
                   uint64_t *generation, char *error);
int hak_reader_check(struct hak_reader *reader, const uint32_t *index, const double *value, uint32_t count,
                     char *error);
int hak_reader_take_lease(struct hak_reader *reader, const uint32_t *index, const double *back,
                          const double *held, uint32_t count, uint32_t number, uint32_t length_ms,
                          char *error);
int hak_reader_renew_lease(struct hak_reader *reader, uint32_t number, uint32_t length_ms, char *error);
int hak_reader_end_lease(struct hak_reader *reader, uint32_t number, char *error);
int64_t hak_reader_snapshot(struct hak_reader *reader, uint32_t *axis_counts, uint32_t axis_capacity,
                            uint64_t *words, uint64_t words_capacity, uint64_t *words_needed,
                            uint64_t *time_ns, char *error);
int64_t hak_reader_events(struct hak_reader *reader, uint64_t *cursor, struct hak_event *out,
                          uint32_t capacity, uint64_t *lost, char *error);
#define HAK_SAMPLE_SLOTS ...
#define HAK_SAMPLE_PIECES ...
#define HAK_SAMPLE_PIECE_BYTES ...
struct hak_samples { uint32_t slots, slot_bytes, used, processor; uint64_t taken, lost; };
struct hak_sample {
    uint64_t sequence, address, requested_bytes, block_bytes, interval_bytes, born_ns, freed_ns;
    uint32_t thread, stack_bytes;
    uint64_t registers[33];
    ...;
};
int64_t hak_reader_samples(struct hak_reader *reader, struct hak_samples *head,
                           struct hak_sample *samples, uint32_t capacity, char *stacks,
                           uint64_t stack_capacity, char *error);
"""

DESCRIPTORS = "".join(
    f"int hak_reader_{name}(struct hak_reader *reader, uint32_t index, struct hak_{name} *out, char *error);"
    for name in ("tunable", "constraint", "metric", "axis", "axis_item", "event_kind", "event_cause")
)

WRITER = """
struct hak_block_spec {
    const char *kind, *build;
    const struct hak_tunable *tunables;
    const struct hak_constraint *constraints;
    const struct hak_metric *metrics;
    const struct hak_axis *axes;
    const struct hak_axis_item *axis_items;
    const struct hak_event_kind *event_kinds;
    const struct hak_event_cause *event_causes;
    uint32_t tunable_count, constraint_count, metric_count, axis_count, axis_item_count;
    uint32_t event_kind_count, event_cause_count;
    uint64_t data_bytes;
    uint32_t event_capacity;
    const double *initial_values;
    ...;
};
struct hak_block { char path[128]; ...; };
int block_create(struct hak_block *block, struct hak_block_spec *spec, uint32_t access);
void hak_block_retire(struct hak_block *block);
uint64_t hak_block_generation(const struct hak_block *block);
int hak_block_copy_requested(const struct hak_block *block, double *values, uint64_t *generation);
void hak_block_publish_effective(struct hak_block *block, const double *values, uint64_t generation);
void hak_block_set_axis_count(struct hak_block *block, uint32_t axis, uint32_t count);
void hak_block_append_event(struct hak_block *block, const struct hak_event *event);
void block_store_words(struct hak_block *block, uint64_t offset, const uint64_t *words, uint64_t count);
"""

ALLOCATOR = """
void *hak_malloc(size_t bytes);
void *hak_calloc(size_t count, size_t bytes);
void *hak_realloc(void *block, size_t bytes);
void *hak_reallocarray(void *block, size_t count, size_t bytes);
void hak_free(void *block);
int hak_posix_memalign(void **out, size_t alignment, size_t bytes);
void *hak_aligned_alloc(size_t alignment, size_t bytes);
void *hak_memalign(size_t alignment, size_t bytes);
void *hak_valloc(size_t bytes);
void *hak_pvalloc(size_t bytes);
size_t hak_malloc_usable_size(const void *block);
const char *hak_control_path(void);
int hak_control_problem(char *text, size_t bytes);
int hak_trim(void);
int64_t live_bytes(void);
"""

WORKLOADS = """
struct workload_parameter { const char *name, *unit, *help; double minimum, maximum, default_value; ...; };
struct workload {
    const char *name, *help, *stresses, *operation;
    const struct workload_parameter *parameters;
    uint32_t parameter_count, default_threads;
    ...;
};
const struct workload *workload_at(uint32_t index);
const struct workload *workload_find(const char *name);

struct workload_request { double seconds; ...; };
void workload_request_init(struct workload_request *request, const struct workload *workload);
int workload_request_set(struct workload_request *request, const char *name, double value, char *error);
int workload_request_check(const struct workload_request *request, char *error);

enum workload_status { WORKLOAD_STATUS_COMPLETED, WORKLOAD_STATUS_STOPPED, WORKLOAD_STATUS_FAILED, ... };
struct workload_result {
    enum workload_status status;
    uint64_t operations, checksum, peak_resident_bytes;
    double elapsed_s;
    char error[...];
    ...;
};
const char *workload_status_name(enum workload_status status);
int hak_workload_start(const char *name, const double *parameters, uint32_t threads, uint64_t seed,
                       double seconds, uint64_t operations, int starts_paused, char *error);
const char *hak_workload_path(void);
int hak_workload_poll(struct workload_result *result);
void hak_workload_stop(void);
"""

REPLAY = """
struct replay_header {
    uint32_t version, lane_count;
    uint64_t segment_count, file_bytes, event_count, slot_count, duration_us, skipped_frees;
    char trace_checksum[...];
    ...;
};
int replay_read_header(int descriptor, struct replay_header *header, char *error);
int replay_check_plan(int descriptor, char *error);

struct replay_events {
    size_t count;
    const uint8_t *kind;
    const uint32_t *thread;
    const uint64_t *object_id, *size_bytes, *alignment_bytes;
    const int64_t *time_ns;
};
struct replay_compiler;
struct replay_compiler *replay_compiler_new(int descriptor);
int replay_compiler_add(struct replay_compiler *compiler, const struct replay_events *events, char *error);
int replay_compiler_finish(struct replay_compiler *compiler, const char *trace_checksum, char *error);
void replay_compiler_free(struct replay_compiler *compiler);
"""

MODELS = """
struct cache_model_row {
    uint32_t block_bytes, capacity, is_initial;
    uint64_t allocations, frees, refills, flushes;
    double held_blocks;
};
struct cache_models;
struct cache_models *cache_models_new(void);
void cache_models_free(struct cache_models *models);
int cache_models_add(struct cache_models *models, const struct replay_events *events);
const char *cache_model_name(uint32_t index);
int cache_models_read(const struct cache_models *models, uint32_t index, uint32_t row,
                      struct cache_model_row *out);

struct big_model_row {
    uint64_t max_bytes;
    int64_t delay_ms;
    uint64_t lookups, hits;
    double held_kib;
};
struct big_model;
struct big_model *big_model_new(void);
void big_model_free(struct big_model *model);
int big_model_add(struct big_model *model, const struct replay_events *events);
int big_model_read(const struct big_model *model, uint32_t row, struct big_model_row *out);
const char *big_model_name(void);
const char *big_model_setting(uint32_t index, double *value);
"""

RECORDER = """
struct hak_spool_state {
    uint32_t pid, parent_pid, clock_is_tsc, threads, stopped, ended, command_bytes;
    uint64_t next, start_realtime_ns;
    char program[256], command[3072];
};
struct hak_event_columns {
    uint8_t *kind;
    uint32_t *thread;
    uint64_t *object_id, *size_bytes, *alignment_bytes;
    uint32_t *site;
    int64_t *time_ns;
};
struct hak_new_sites { uint64_t *address; uint32_t *map_copies, capacity, count; };
struct hak_resolver_totals {
    uint64_t objects, live_bytes, peak_live_bytes, unknown_frees, missed_frees, lost_records;
};
void *hak_spool_map(const char *path, uint64_t bytes, int is_writable);
void hak_spool_unmap(void *mapped, uint64_t bytes);
struct hak_resolver;
struct hak_resolver *hak_resolver_new(void *head);
void hak_resolver_free(struct hak_resolver *resolver);
void hak_resolver_state(const struct hak_resolver *resolver, struct hak_spool_state *out);
void hak_resolver_totals(const struct hak_resolver *resolver, struct hak_resolver_totals *out);
void hak_resolver_set_consumed(struct hak_resolver *resolver, uint64_t records);
void hak_resolver_stop(struct hak_resolver *resolver);
void hak_resolver_lose(struct hak_resolver *resolver, uint64_t records);
uint32_t hak_spool_segment_records(void);
int64_t hak_resolver_run(struct hak_resolver *resolver, const void *segment, uint32_t first, uint32_t count,
                         int is_final, struct hak_event_columns *columns, struct hak_new_sites *sites,
                         uint32_t *taken);
"""

INJECTION = """
struct hak_injected_call {
    uint64_t next, area, dlopen, dlsym, dlerror, errno_location;
    int is_global;
};
struct hak_injected_result { uint64_t state, text; };
size_t hak_injected_code(uint8_t *out, size_t capacity, const struct hak_injected_call *call,
                         const char *library, const char *function, const char *argument);
uint64_t hak_injected_area(const uint8_t *code, size_t bytes);
"""

# The reader's structure asks for the alignment of a cache line, which cffi's own memory need not have.
# Words of a made-up block are stored here because only C touches shared words.
SOURCE = """
#include "hak_memory.h"
#include "hak_reader.h"
#include "hakmem.h"
#include "big_model.h"
#include "cache_models.h"
#include "catalogue.h"
#include "find.h"
#include "in_process.h"
#include "injected_call.h"
#include "resolver.h"
#include "replay_compile.h"
#include "writer.h"
#include <malloc.h>
#include <stdlib.h>

static int64_t live_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    return find_serves((void *)mallinfo2) ? (int64_t)(info.uordblks + info.hblkhd) : -1;
}

static struct hak_reader *reader_new(void)
{
    return aligned_alloc(_Alignof(struct hak_reader), sizeof(struct hak_reader));
}

static void reader_free(struct hak_reader *reader)
{
    free(reader);
}

static int block_create(struct hak_block *block, struct hak_block_spec *spec, uint32_t access)
{
    spec->access = (enum hak_access)access;
    return hak_block_create(block, spec);
}

static void block_store_words(struct hak_block *block, uint64_t offset, const uint64_t *words, uint64_t count)
{
    uint64_t *target = (uint64_t *)(void *)(block->data + offset);
    for (uint64_t i = 0; i < count; i++)
        __atomic_store_n(&target[i], words[i], __ATOMIC_RELAXED);
}
"""

for declarations in (
    CONSTANTS, BLOCK, MEMORY, READER, DESCRIPTORS, WRITER, ALLOCATOR, WORKLOADS, REPLAY, MODELS, RECORDER,
    INJECTION,
):  # fmt: skip
    ffibuilder.cdef(declarations)
ffibuilder.set_source("workbench._native._cffi", SOURCE)
