/* Runs a program and lets one of its calls to the operating system fail, or notes them all.
 *
 *   faults FAULT N FOLDER LOG PROGRAM [ARGUMENT...]
 *
 * Calls that change or read what lies in FOLDER are numbered from 1 on, over all threads, and written to LOG, a line
 * each: number, call, what it acts on and, of two names, the second. What becomes of call N:
 *
 *   none    nothing, as of all others
 *   error   it fails: a disk that is full, or fails
 *   full    from it on whatever needs room on the disk fails
 *   short   a write takes half of its bytes; other calls are as ever
 *   kill    the program ends before it, as by SIGKILL
 *
 * The calls are caught where they enter the kernel (seccomp, ptrace), so that it does not matter which library makes
 * them. The exit code is that of the program, or 128 and its signal. x86-64 Linux only.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a call acts on: a file that is open, a name, or two names. Numbers are those of its arguments. */
enum acts { FD, NAME, AT, TWO_NAMES, TWO_AT };
/* Whether it needs room on the disk, and whether it takes a number of bytes. */
enum needs { NOTHING, ROOM, BYTES };

static const struct call {
    long number;
    const char *name;
    enum acts acts;
    enum needs needs;
    int error;
} CALLS[] = {
    {SYS_open, "open", NAME, NOTHING, EIO},
    {SYS_openat, "open", AT, NOTHING, EIO},
    {SYS_write, "write", FD, BYTES, ENOSPC},
    {SYS_pwrite64, "write", FD, BYTES, ENOSPC},
    {SYS_writev, "write", FD, ROOM, ENOSPC},
    {SYS_copy_file_range, "copy", FD, ROOM, ENOSPC},
    {SYS_sendfile, "copy", FD, ROOM, ENOSPC},
    {SYS_read, "read", FD, NOTHING, EIO},
    {SYS_pread64, "read", FD, NOTHING, EIO},
    {SYS_ftruncate, "truncate", FD, NOTHING, EIO},
    {SYS_fallocate, "allocate", FD, ROOM, ENOSPC},
    {SYS_fsync, "sync", FD, NOTHING, EIO},
    {SYS_fdatasync, "sync", FD, NOTHING, EIO},
    {SYS_rename, "rename", TWO_NAMES, ROOM, ENOSPC},
    {SYS_renameat, "rename", TWO_AT, ROOM, ENOSPC},
    {SYS_renameat2, "rename", TWO_AT, ROOM, ENOSPC},
    {SYS_link, "link", TWO_NAMES, ROOM, ENOSPC},
    {SYS_linkat, "link", TWO_AT, ROOM, ENOSPC},
    {SYS_unlink, "unlink", NAME, NOTHING, EIO},
    {SYS_unlinkat, "unlink", AT, NOTHING, EIO},
    {SYS_mkdir, "mkdir", NAME, ROOM, ENOSPC},
    {SYS_mkdirat, "mkdir", AT, ROOM, ENOSPC},
    {SYS_rmdir, "rmdir", NAME, NOTHING, EIO},
    {SYS_fchmod, "chmod", FD, NOTHING, EPERM},
    {SYS_chmod, "chmod", NAME, NOTHING, EPERM},
    {SYS_flock, "lock", FD, NOTHING, ENOLCK},
};
#define N_CALLS (sizeof CALLS / sizeof *CALLS)

static void die(const char *what) {
    perror(what);
    exit(125);
}

/* In the child: every call of the table stops for the tracer. */
static void catch_calls(void) {
    struct sock_filter filter[N_CALLS + 4];
    size_t n = 0;
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < N_CALLS; i++)
        filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CALLS[i].number, N_CALLS - i, 0);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
    struct sock_fprog program = {.len = n, .filter = filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        die("seccomp");
}

/* The text at an address of the program. */
static void read_text(pid_t pid, unsigned long address, char *text, size_t size) {
    size_t n = 0;
    /* Page by page: what lies behind the text may not be there. */
    while (n + 1 < size) {
        size_t piece = 4096 - (address + n) % 4096;
        if (piece > size - 1 - n) piece = size - 1 - n;
        struct iovec to = {text + n, piece}, from = {(void *)(address + n), piece};
        ssize_t got = process_vm_readv(pid, &to, 1, &from, 1, 0);
        if (got <= 0) break;
        char *end = memchr(text + n, 0, got);
        n += got;
        if (end) return;
    }
    text[n < size ? n : size - 1] = 0;
}

/* The path of an open file, of the working folder where `fd` says that. */
static void path_of_fd(pid_t pid, int fd, char *path, size_t size) {
    char link[64];
    if (fd == AT_FDCWD)
        snprintf(link, sizeof link, "/proc/%d/cwd", pid);
    else
        snprintf(link, sizeof link, "/proc/%d/fd/%d", pid, fd);
    ssize_t n = readlink(link, path, size - 1);
    path[n > 0 ? n : 0] = 0;
}

static void path_of_name(pid_t pid, int folder, unsigned long address, char *path, size_t size) {
    char name[4096];
    read_text(pid, address, name, sizeof name);
    if (name[0] == '/' || name[0] == 0) {
        /* An empty name is that of the open file itself. */
        if (name[0] == 0 && folder != AT_FDCWD)
            path_of_fd(pid, folder, path, size);
        else
            snprintf(path, size, "%s", name);
        return;
    }
    path_of_fd(pid, folder, path, size);
    size_t n = strlen(path);
    snprintf(path + n, size - n, "/%s", name);
}

static void paths_of(pid_t pid, const struct call *call, const struct user_regs_struct *regs, char *a, char *b, size_t size) {
    b[0] = 0;
    switch (call->acts) {
    case FD:
        /* copy_file_range writes to its third argument, sendfile to its first. */
        path_of_fd(pid, call->number == SYS_copy_file_range ? regs->rdx : regs->rdi, a, size);
        break;
    case NAME:
        path_of_name(pid, AT_FDCWD, regs->rdi, a, size);
        break;
    case AT:
        path_of_name(pid, regs->rdi, regs->rsi, a, size);
        break;
    case TWO_NAMES:
        path_of_name(pid, AT_FDCWD, regs->rdi, a, size);
        path_of_name(pid, AT_FDCWD, regs->rsi, b, size);
        break;
    case TWO_AT:
        path_of_name(pid, regs->rdi, regs->rsi, a, size);
        path_of_name(pid, regs->rdx, regs->r10, b, size);
        break;
    }
}

int main(int argc, char **argv) {
    if (argc < 6) {
        fprintf(stderr, "usage: faults FAULT N FOLDER LOG PROGRAM [ARGUMENT...]\n");
        return 125;
    }
    const char *fault = argv[1], *folder = argv[3];
    long target = atol(argv[2]), n_calls = 0;
    size_t n_folder = strlen(folder);
    FILE *log = fopen(argv[4], "we");
    if (!log) die(argv[4]);

    pid_t child = fork();
    if (child < 0) die("fork");
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, 0, 0)) die("ptrace");
        raise(SIGSTOP);
        catch_calls();
        execv(argv[5], argv + 5);
        die(argv[5]);
    }
    int status;
    if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) die("waitpid");
    long options = PTRACE_O_EXITKILL | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
                   PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC;
    if (ptrace(PTRACE_SETOPTIONS, child, 0, options)) die("ptrace");
    ptrace(PTRACE_CONT, child, 0, 0);

    for (;;) {
        pid_t pid = waitpid(-1, &status, __WALL);
        if (pid < 0) die("waitpid");
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (pid != child) continue;
            fclose(log);
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
        int signal = WSTOPSIG(status), event = status >> 16;
        if (event == PTRACE_EVENT_SECCOMP) {
            struct user_regs_struct regs;
            if (ptrace(PTRACE_GETREGS, pid, 0, &regs)) continue;
            const struct call *call = NULL;
            for (size_t i = 0; i < N_CALLS && !call; i++)
                if (CALLS[i].number == (long)regs.orig_rax) call = &CALLS[i];
            char a[8192], b[8192];
            if (call) {
                paths_of(pid, call, &regs, a, b, sizeof a);
                if (strncmp(a, folder, n_folder) != 0 && strncmp(b, folder, n_folder) != 0) call = NULL;
            }
            if (call) {
                n_calls++;
                fprintf(log, "%ld\t%s\t%s\t%s\n", n_calls, call->name, a, b);
                int is_full = !strcmp(fault, "full");
                int is_hit = is_full ? n_calls >= target && call->needs != NOTHING : n_calls == target;
                if (is_hit && !strcmp(fault, "kill")) {
                    fflush(log);
                    kill(child, SIGKILL);
                } else if (is_hit && (is_full || !strcmp(fault, "error"))) {
                    regs.orig_rax = -1;
                    regs.rax = -(is_full ? ENOSPC : call->error);
                    ptrace(PTRACE_SETREGS, pid, 0, &regs);
                } else if (is_hit && !strcmp(fault, "short") && call->needs == BYTES && regs.rdx > 1) {
                    regs.rdx /= 2;
                    ptrace(PTRACE_SETREGS, pid, 0, &regs);
                }
            }
            ptrace(PTRACE_CONT, pid, 0, 0);
        } else if (event != 0 || signal == SIGSTOP) {
            /* A new thread or program, or its first stop. */
            ptrace(PTRACE_CONT, pid, 0, 0);
        } else {
            ptrace(PTRACE_CONT, pid, 0, signal);
        }
    }
}
