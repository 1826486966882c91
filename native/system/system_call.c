/* system_call.c: the one instruction behind every call of the system. */
#include "system_call.h"

#include "processor.h"

long system_call(long number, long a, long b, long c, long d, long e, long f)
{
    return processor_system_call(number, a, b, c, d, e, f);
}
