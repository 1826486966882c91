/* block_events.c: many threads append events while one reads: what is read is whole, in each thread's
 * order, and every event is either read or counted lost. */
#include "block_fixture.h"

#include <pthread.h>

enum { WRITERS = 4, EVENTS_EACH = 40000 };

static struct hak_block block;
static atomic_int writers_left = WRITERS;

/* Every field follows from the thread and the number, so a torn event shows. */
static struct hak_event make_event(uint32_t thread, uint64_t number)
{
    return (struct hak_event){
        .time_ns = number * 1000 + thread,
        .operation = number,
        .old_value = (double)(number * 3 + thread),
        .new_value = (double)(number * 5 + thread),
        .thread = thread,
        .item = (uint32_t)(number ^ thread),
        .cause = (uint16_t)(number & 0xffff),
        .reserved = number * 7 + thread,
    };
}

static void *write_events(void *argument)
{
    uint32_t thread = *(const uint32_t *)argument;
    for (uint64_t number = 1; number <= EVENTS_EACH; number++) {
        struct hak_event event = make_event(thread, number);
        hak_block_append_event(&block, &event);
    }
    atomic_fetch_sub(&writers_left, 1);
    return NULL;
}

static void check_event(const struct hak_event *event, uint64_t last_number[WRITERS])
{
    CHECK(event->thread < WRITERS);
    struct hak_event expected = make_event(event->thread, event->operation);
    CHECK(memcmp((const char *)event + 8, (const char *)&expected + 8, sizeof expected - 8) == 0);
    CHECK(event->operation > last_number[event->thread]);
    last_number[event->thread] = event->operation;
}

int main(void)
{
    struct hak_block_spec spec = fixture_spec("test-events");
    CHECK(hak_block_create(&block, &spec) == 0);
    struct hak_reader *reader = fixture_open(block.path);
    pthread_t threads[WRITERS];
    uint32_t names[WRITERS];
    for (uint32_t i = 0; i < WRITERS; i++) {
        names[i] = i;
        CHECK(pthread_create(&threads[i], NULL, write_events, &names[i]) == 0);
    }

    uint64_t cursor = 0, lost = 0, read = 0, last_number[WRITERS] = {0};
    static struct hak_event events[100];
    for (int is_over = 0;;) {
        int64_t count = hak_reader_events(reader, &cursor, events, 100, &lost, NULL);
        CHECK(count >= 0);
        for (int64_t i = 0; i < count; i++)
            check_event(&events[i], last_number);
        read += (uint64_t)count;
        if (is_over && cursor == (uint64_t)WRITERS * EVENTS_EACH)
            break;
        is_over = atomic_load(&writers_left) == 0;
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    CHECK(read + lost == (uint64_t)WRITERS * EVENTS_EACH);
    CHECK(read > 0);
    printf("%llu read, %llu lost, %llu given up\n", (unsigned long long)read, (unsigned long long)lost,
           (unsigned long long)atomic_load(&block.header->event_lost));
    fixture_close(reader);
    hak_block_retire(&block);
    return 0;
}
