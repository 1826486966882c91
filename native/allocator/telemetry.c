/* telemetry.c: the control block, where all components find it. */
#include "telemetry.h"

#include "writer.h"

struct hak_block control_block;
struct telemetry *telemetry;
