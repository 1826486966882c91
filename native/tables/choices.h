/* choices.h: the choices of each tunable of type CHOICE (tunables.def), in the order of their values. Each has a name in
 * the allocator's code and a name that people see. */
#ifndef HAK_CHOICES_H
#define HAK_CHOICES_H

#define ROUTE_PROFILE_CHOICES(FIRST, MORE) \
    FIRST(PROFILE_CONSERVATIVE, "conservative") MORE(PROFILE_HOT, "hot") MORE(PROFILE_OFF, "off") MORE(PROFILE_FULL, "full")
#define TLS_POLICY_CHOICES(FIRST, MORE) FIRST(TLS_THRESHOLD, "threshold") MORE(TLS_MARGINAL, "marginal")
#define BIG_POLICY_CHOICES(FIRST, MORE) FIRST(BIG_LRU, "lru") MORE(BIG_LFU, "lfu")
#define BIG_HASH_CHOICES(FIRST, MORE) FIRST(BIG_FNV1A, "fnv1a") MORE(BIG_MIX64, "mix64")
#define OS_THP_CHOICES(FIRST, MORE) \
    FIRST(THP_NEVER, "never") MORE(THP_DEFAULT, "default") MORE(THP_ALWAYS, "always") MORE(THP_DENSE, "dense") \
    MORE(THP_GROWN, "grown")
#define CLOCK_MODE_CHOICES(FIRST, MORE) FIRST(CLOCK_TIME, "time") MORE(CLOCK_OPERATIONS, "operations")
#define CHECK_ACTION_CHOICES(FIRST, MORE) FIRST(CHECK_ABORT, "abort") MORE(CHECK_REFUSE, "refuse")

/* The names in the form of the control block: "lru,lfu". */
#define CHOICE_FIRST_NAME(symbol, name) name
#define CHOICE_MORE_NAME(symbol, name) "," name
#define CHOICE_NAMES(choices) choices(CHOICE_FIRST_NAME, CHOICE_MORE_NAME)

#define CHOICE_SYMBOL(symbol, name) symbol,
enum route_profile { ROUTE_PROFILE_CHOICES(CHOICE_SYMBOL, CHOICE_SYMBOL) };
enum tls_policy { TLS_POLICY_CHOICES(CHOICE_SYMBOL, CHOICE_SYMBOL) };
enum big_policy { BIG_POLICY_CHOICES(CHOICE_SYMBOL, CHOICE_SYMBOL) };
enum big_hash { BIG_HASH_CHOICES(CHOICE_SYMBOL, CHOICE_SYMBOL) };
enum os_thp { OS_THP_CHOICES(CHOICE_SYMBOL, CHOICE_SYMBOL) };
enum clock_mode { CLOCK_MODE_CHOICES(CHOICE_SYMBOL, CHOICE_SYMBOL) };
enum check_action { CHECK_ACTION_CHOICES(CHOICE_SYMBOL, CHOICE_SYMBOL) };

#endif
