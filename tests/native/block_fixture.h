/* block_fixture.h: a small made-up control block, for the block_*.c programs. */
#ifndef BLOCK_FIXTURE_H
#define BLOCK_FIXTURE_H

#include "check.h"
#include "hak_reader.h"
#include "writer.h"

#include <string.h>

enum { FIXTURE_ROWS = 512, FIXTURE_COLUMNS = 41, FIXTURE_EVENTS = 256 };

/* low <= high; both 0 at first. */
static const struct hak_tunable fixture_tunables[] = {
    {.name = "pair.low", .maximum = 1e9, .unit = "fish"},
    {.name = "pair.high", .maximum = 1e9, .unit = "fish"},
};
static const struct hak_constraint fixture_constraints[] = {{.lower = 0, .upper = 1}};
static const struct hak_axis fixture_axes[] = {
    {.name = "thread", .maximum = FIXTURE_ROWS, .count = 4},
    {.name = "class", .maximum = FIXTURE_COLUMNS, .count = FIXTURE_COLUMNS, .item_count = 2},
};
static const struct hak_axis_item fixture_items[] = {{.label = "8 B", .group = "C0"}, {.label = "16 B", .group = "C1"}};
static const struct hak_metric fixture_metrics[] = {
    {.name = "table.words",
     .axis = {0, 1},
     .stride = {FIXTURE_COLUMNS * 8, 8}},
    {.name = "single.word", .axis = {HAK_NO_AXIS, HAK_NO_AXIS}, .offset = FIXTURE_ROWS * FIXTURE_COLUMNS * 8},
    {.name = "derived", .kind = HAK_METRIC_QUOTIENT, .operand_a = 0, .operand_b = 1},
};
static const struct hak_event_kind fixture_kinds[] = {{.name = "CATCH", .axis = HAK_NO_AXIS}};
static const struct hak_event_cause fixture_causes[] = {{.name = "NONE"}};

static inline struct hak_block_spec fixture_spec(const char *kind)
{
    return (struct hak_block_spec){
        .kind = kind,
        .build = "made up",
        .tunables = fixture_tunables,
        .tunable_count = 2,
        .constraints = fixture_constraints,
        .constraint_count = 1,
        .metrics = fixture_metrics,
        .metric_count = 3,
        .axes = fixture_axes,
        .axis_count = 2,
        .axis_items = fixture_items,
        .axis_item_count = 2,
        .event_kinds = fixture_kinds,
        .event_kind_count = 1,
        .event_causes = fixture_causes,
        .event_cause_count = 1,
        .data_bytes = (FIXTURE_ROWS * FIXTURE_COLUMNS + 1) * 8,
        .event_capacity = FIXTURE_EVENTS,
        .access = HAK_ACCESS_WRITE,
    };
}

static inline struct hak_reader *fixture_open(const char *path)
{
    char error[HAK_ERROR_TEXT_BYTES] = "";
    struct hak_reader *reader = aligned_alloc(_Alignof(struct hak_reader), sizeof *reader);
    CHECK(reader != NULL);
    if (hak_reader_open(reader, path, error) != HAK_OK) {
        fprintf(stderr, "%s\n", error);
        abort();
    }
    return reader;
}

static inline void fixture_close(struct hak_reader *reader)
{
    hak_reader_close(reader);
    free(reader);
}

#endif
