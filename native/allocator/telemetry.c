/* telemetry.c: defines the allocator's control block, for all components. */
#include "telemetry.h"

#include "writer.h"

struct hak_block control_block;
_Alignas(CACHE_LINE) struct telemetry *telemetry;
