/* size_class.c: the tables of size_class.h. */
#include "size_class.h"

#define GROUP_NUMBER(group) ((group)[0] == 'M' ? ROUTE_GROUP_COUNT : (group)[1] - '0')

const struct size_class size_classes[SIZE_CLASS_COUNT] = {
#define HAK_SIZE_CLASS(bytes, group, span_slabs)                                                              \
    {bytes, span_slabs, (uint16_t)GROUP_NUMBER(group), (uint32_t)(SLAB_BYTES * (span_slabs) / (bytes)),                \
     ((UINT64_C(1) << 40) + (bytes) - 1) / (bytes)},
#include "size_classes.def"
#undef HAK_SIZE_CLASS
};

const struct block_shape block_shapes[] = {
    [BINS_OFFSET / BIN_BYTES - 1] = {0},
#define HAK_SIZE_CLASS(bytes, group, span_slabs) {UINT64_MAX / (bytes) + 1, bytes, SLAB_BYTES * (span_slabs) - 1},
#include "size_classes.def"
#include "size_classes.def"
#undef HAK_SIZE_CLASS
};

#define ALL(route) {route, route, route, route, route, route, route, route}
const uint8_t route_profiles[4][ROUTE_GROUP_COUNT] = {
    ALL(ROUTE_TINY_FIRST), /* conservative */
    {ROUTE_TINY_ONLY, ROUTE_TINY_ONLY, ROUTE_TINY_ONLY, ROUTE_TINY_ONLY, ROUTE_TINY_FIRST, ROUTE_TINY_FIRST,
     ROUTE_TINY_FIRST, ROUTE_POOL_ONLY}, /* hot */
    ALL(ROUTE_POOL_ONLY),                /* off */
    ALL(ROUTE_TINY_ONLY),                /* full */
};

uint16_t tiny_class_tables[4][TINY_TABLE_ENTRIES];
uint16_t mid_class_table[MID_TABLE_ENTRIES];

void size_class_init_tables(void)
{
    unsigned mid_index = MID_FIRST_CLASS;
    for (unsigned step = TINY_MAX_BYTES / MID_STEP_BYTES; step < MID_TABLE_ENTRIES; step++) {
        while (size_classes[mid_index].bytes < (step + 1) * MID_STEP_BYTES)
            mid_index++;
        mid_class_table[step] = class_key(mid_index);
    }
    for (unsigned profile = 0; profile < 4; profile++) {
        unsigned class_index = 0;
        for (unsigned entry = 0; entry < TINY_TABLE_ENTRIES; entry++) {
            while (size_classes[class_index].bytes < entry * 8)
                class_index++;
            unsigned group = size_classes[class_index].group;
            bool pool = route_profiles[profile][group] == ROUTE_POOL_ONLY;
            tiny_class_tables[profile][entry] = class_key(pool ? (unsigned)MID_FIRST_CLASS : class_index);
        }
    }
}
