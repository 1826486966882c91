/* model_settings.h: the settings that the models of hakmem obey. */
#ifndef HAK_MODEL_SETTINGS_H
#define HAK_MODEL_SETTINGS_H

#include "settings.h"

/* The models read the settings of the allocator in this process. It need not have started. */
static inline void load_model_settings(void)
{
    double values[TUNABLE_COUNT];
    int access;
    if (SETTING(tls_refill_percent) != 0)
        return;
    settings_initial(values, &access);
    settings_store(values, true);
}

#endif
