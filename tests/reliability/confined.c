/* confined.c: a process confines itself to a few system calls, works, and ends. Any other call ends it by SIGSYS.
 *
 * usage: confined prctl|syscall|tsync WORK END
 *   WORK: alone    mmap, munmap, futex and brk are all that memory may need
 *         threads  threads end and begin, which the C library needs more for
 *         fork     children, which work, too
 *         stray    makes a call that is not allowed
 *   END: return|exit|_exit|quick_exit
 * And with -DLIBRARY, a library whose constructor puts the program under a filter that allows everything (or, with
 * -DFAILS, fails to). */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int install(const char *way, struct sock_filter *filter, unsigned short length)
{
    struct sock_fprog program = {length, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return -1;
    if (strcmp(way, "prctl") == 0)
        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
    unsigned flags = strcmp(way, "tsync") == 0 ? SECCOMP_FILTER_FLAG_TSYNC : 0;
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

#ifdef LIBRARY
__attribute__((constructor)) static void confine(void)
{
#ifdef FAILS
    if (install("prctl", NULL, 1) == 0 || install("syscall", NULL, 1) == 0)
        abort();
#else
    struct sock_filter everything = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    if (install("prctl", &everything, 1) != 0)
        abort();
#endif
}
#else

static const int of_memory[] = {SYS_mmap, SYS_munmap, SYS_futex, SYS_brk, SYS_write, SYS_exit_group};
static const int of_threads[] = {SYS_clone3, SYS_clone, SYS_mprotect, SYS_madvise, SYS_exit, SYS_rt_sigaction, SYS_rseq,
                                 SYS_set_robust_list, SYS_rt_sigprocmask};
static const int of_fork[] = {SYS_clone, SYS_wait4, SYS_set_robust_list, SYS_rt_sigprocmask};

static struct sock_filter filter[100];
static unsigned short length;

static void allow(const int *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)numbers[i], 0, 1);
        filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
}

#define ALLOW(numbers) allow(numbers, sizeof numbers / sizeof *numbers)

/* Every component grows and gives back: bins, slabs, chunks, the pool, big blocks that grow and are moved. */
static void work(void)
{
    enum { COUNT = 20000 };
    static void *blocks[COUNT];
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT; i++) {
            size_t bytes = i % 100 ? i % 700 * 8 + 1 : 300000;
            if (!(blocks[i] = i % 7 ? malloc(bytes) : calloc(1, bytes)))
                abort();
            memset(blocks[i], 1, bytes > 4096 ? 4096 : bytes);
        }
        for (size_t i = 0; i < COUNT; i++)
            free(blocks[i * 7919 % COUNT]);
        void *in_the_way[6], *growing = malloc(2 << 20);
        for (size_t i = 0; i < 6; i++) {
            in_the_way[i] = malloc(2 << 20);
            if (!(growing = realloc(growing, (i + 2) * (3 << 20))))
                abort();
            memset(growing, 1, 5 << 20);
        }
        for (size_t i = 0; i < 6; i++)
            free(in_the_way[i]);
        free(realloc(growing, 100));
        free(aligned_alloc(1 << 22, 1 << 22));
        malloc_trim(0);
        if (!mallopt(M_TRIM_THRESHOLD, round << 21))
            abort();
    }
    if (mallinfo2().uordblks > (size_t)64 << 20)
        abort();
}

static void *work_in_thread(void *result)
{
    for (size_t i = 1; i < 3000; i++) {
        char *block = malloc(i * 37);
        if (!block)
            abort();
        memset(block, 1, i * 37);
        free(realloc(block, i * 50));
    }
    return result;
}

static void use_threads(void)
{
    pthread_t threads[4];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 4; i++)
            if (pthread_create(&threads[i], NULL, work_in_thread, NULL) != 0)
                abort();
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
    }
}

static void use_children(void)
{
    for (int i = 0; i < 3; i++) {
        pid_t child = fork();
        if (child == 0) {
            work();
            if (i == 0)
                _exit(0);
            exit(0);
        }
        int status = 1;
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
            abort();
    }
}

int main(int count, char **arguments)
{
    if (count != 4)
        return 2;
    const char *kind = arguments[2], *end = arguments[3];
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    ALLOW(of_memory);
    if (strcmp(kind, "threads") == 0)
        ALLOW(of_threads);
    if (strcmp(kind, "fork") == 0)
        ALLOW(of_fork);
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    free(malloc(10));
    if (install(arguments[1], filter, length) != 0)
        return 3;
    work();
    if (strcmp(kind, "threads") == 0)
        use_threads();
    if (strcmp(kind, "fork") == 0)
        use_children();
    if (strcmp(kind, "stray") == 0)
        (void)getppid();
    if (write(STDOUT_FILENO, "worked\n", 7) != 7)
        _exit(4);
    if (strcmp(end, "_exit") == 0)
        _exit(0);
    if (strcmp(end, "quick_exit") == 0)
        quick_exit(0);
    if (strcmp(end, "exit") == 0)
        exit(0);
    return 0;
}
#endif
