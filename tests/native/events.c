/* events.c: the ring of events stays in its file and leaves the process, and no event of it is lost. */
#include "component_fixture.h"
#include "system_page.h"

#include <fcntl.h>
#include <unistd.h>

enum { SYSTEM_PAGE_BYTES = 4096, EVENTS = 20000, MOST_PAGES = 32 };

/* How many pages of the ring the process has: bit 63 of an entry of pagemap is set for a page that is present. */
static unsigned count_present_pages(void)
{
    static uint64_t entries[4096];
    size_t bytes = (control_block.event_mask + (size_t)1) * sizeof *control_block.events;
    size_t pages = bytes / SYSTEM_PAGE_BYTES;
    unsigned count = 0;
    int pagemap = open("/proc/self/pagemap", O_RDONLY);
    CHECK(pagemap >= 0 && pages <= sizeof entries / sizeof *entries);
    off_t offset = (off_t)((uintptr_t)control_block.events / SYSTEM_PAGE_BYTES * sizeof *entries);
    CHECK(pread(pagemap, entries, pages * sizeof *entries, offset) == (ssize_t)(pages * sizeof *entries));
    close(pagemap);
    for (size_t i = 0; i < pages; i++)
        count += (unsigned)(entries[i] >> 63);
    return count;
}

/* A lap and more. A read fault brings 16 pages that the file has, so 8 pages of events are up to 32. */
int main(void)
{
    start_on_operations();
    CHECK(control_block.is_shared && EVENTS > control_block.event_mask);
    unsigned most = MOST_PAGES + (unsigned)(PAGE_BYTES / SYSTEM_PAGE_BYTES); /* a page is made present before it is written */
    for (unsigned i = 0; i < EVENTS; i++) {
        event_append(NULL, EVENT_PURGE, CAUSE_IDLE, NO_ITEM, 0, i);
        if (event_cursor() % 64 == 63)
            CHECK(count_present_pages() > 0 && count_present_pages() <= most);
    }
    CHECK(event_cursor() >= EVENTS && control_block.header->event_lost == 0);
    for (unsigned i = EVENTS - control_block.event_mask; i < EVENTS; i++) {
        const struct hak_event *event = &control_block.events[(event_cursor() - EVENTS + i) & control_block.event_mask];
        CHECK(event->kind == EVENT_PURGE && event->new_value == i);
    }
    puts("events: ok");
    return 0;
}
