"""What code may not do: clocks, entropy, threads and blocking calls outside their places, hidden state, bare atomics.

Each rule has a pattern over code (comments and literals blanked), the places where it does not hold, and a remedy.
Patterns read words and are no compiler; `// check: allow` is for the rare case that is right.
"""
import re

# The real side of the seam, what starts it, and what drives or measures from outside.
OUTSIDE = ("core/linux/", "core/app/", "core/testing/", "tests/", "apps/load/", "apps/top/", "apps/doctor/",
           "apps/iotune/", "apps/io_tester/")

_SYSTEM_CALLS = "|".join("""
    open openat creat read pread preadv readv write pwrite pwritev writev fsync fdatasync sync_file_range stat fstat
    lstat statx fstatat rename renameat unlink unlinkat mkdir mkdirat rmdir opendir readdir fallocate ftruncate truncate
    poll ppoll select pselect epoll_wait epoll_pwait connect accept accept4 recv recvfrom recvmsg send sendto sendmsg
    getaddrinfo gethostbyname nanosleep sleep usleep wait waitpid flock lockf fork""".split())

RULES = [
    # name, pattern, places where it does not hold, what to do
    ("clock", r"\b(?:steady|system|high_resolution|utc|file)_clock\s*::\s*now|\bclock_gettime\b|\bgettimeofday\b"
              r"|\btime\s*\(\s*(?:nullptr|NULL|0|&)|\b_*rdtscp?\b|\btimer_create\b|\btimerfd_create\b",
     OUTSIDE, "a real clock is read; use shale::now(), which is virtual in the simulation"),
    ("entropy", r"\brandom_device\b|\bgetrandom\b|\bgetentropy\b|\barc4random\w*|\bs?rand\s*\(|\bdrand48\b",
     OUTSIDE, "entropy is drawn; take the shard's random generator, which the simulation seeds"),
    ("thread", r"\bstd\s*::\s*(?:j?thread|async|this_thread|(?:recursive_|shared_|timed_)*mutex|lock_guard|unique_lock"
               r"|scoped_lock|condition_variable\w*|call_once|latch|barrier|counting_semaphore|binary_semaphore)\b"
               r"|\bpthread_(?:create|mutex|cond|spin|rwlock)\w*",
     OUTSIDE, "threads and locks belong to core/linux and core/app; use a shard, submit_to or alien submission"),
    ("blocking", r"(?<![\w:>])::\s*(?:" + _SYSTEM_CALLS + r")\s*\(|\bstd\s*::\s*(?:[io]?fstream|cin|getline)\b"
                 r"|\b(?:fopen|popen|system)\s*\(",
     OUTSIDE, "this can block the shard; submit an io_request through the seam (file/, net/)"),
    ("print", r"\bstd\s*::\s*(?:cout|cerr|clog)\b|(?<![\w:.>])(?:std\s*::\s*)?(?:f?printf|f?puts)\s*\(",
     ("apps/", "tests/", "core/app/", "core/testing/"), "the library does not print; use the log of core/base"),
    ("assert", r"(?<!\w)(?:std\s*::\s*)?assert\s*\(", (), "vanishes in release; use SHALE_ASSERT"),
    ("volatile", r"(?<!asm )(?<!asm__ )(?<!const )\bvolatile\b", ("tests/",),
     "orders nothing between threads; use std::atomic"),
    ("static", r"^[ \t]*(?:inline[ \t]+)?static[ \t]+(?!const(?:expr|eval)?\b|constinit[ \t]+const\b|inline\b|void\b)"
               r"[\w:<>,*& \t]+?[ \t*&]\w+[ \t]*(?:=(?!=)|;|\{)",
     ("tests/", "apps/"), "state that is neither the shard's nor the caller's; use shard_local<T> or a member"),
]
_COMPILED = [(name, re.compile(pattern, re.MULTILINE), places, remedy) for name, pattern, places, remedy in RULES]

_USING_NAMESPACE = re.compile(r"^[ \t]*using\s+namespace\b(?![^;]*_literals)", re.MULTILINE)
# A declaration is not a second variable.
_THREAD_LOCAL = re.compile(r"(?<!extern )(?<!extern constinit )\bthread_local\b|\b__thread\b")
_ORDERED = re.compile(r"memory_order(?:_|::)(?:acquire|release|acq_rel|seq_cst|consume)\b|\batomic_thread_fence\b")
_UNORDERED_LOAD = re.compile(r"\.load\(\s*\)")
_PARTNER = re.compile(r"pairs?\s+with", re.IGNORECASE)
_PARTNER_LINES = 8


def check_words(tree):
    for source in tree.sources.values():
        for name, pattern, places, remedy in _COMPILED:
            if source.path.startswith(places):
                continue
            for match in pattern.finditer(source.code):
                start = match.start() + len(match.group(0)) - len(match.group(0).lstrip())
                line = source.line_of(start)
                word = " ".join(match.group(0).split()).rstrip("(")
                tree.report(name, source.path, line, f"`{word}`: {remedy}")
        if source.header:
            for match in _USING_NAMESPACE.finditer(source.code):
                tree.report("using", source.path, source.line_of(match.start()),
                            "`using namespace` in a header leaks into every user; name it out")


def check_thread_local(tree):
    places = []
    for source in tree.sources.values():
        if source.library:
            places += [(source.path, source.line_of(m.start())) for m in _THREAD_LOCAL.finditer(source.code)]
    if not places:
        tree.report("thread-local", "core/async/run_queue.hh", 1,
                    "no thread_local in core, file, net; the pointer to this shard is the one there must be")
    for path, line in places[1:]:
        tree.report("thread-local", path, line,
                    f"a second thread_local beside {places[0][0]}:{places[0][1]}; use shard_local<T>")


def check_atomics(tree):
    for source in tree.sources.values():
        if not source.library or "atomic" not in source.code:
            continue
        code_lines = source.code.split("\n")
        for number, code in enumerate(code_lines, 1):
            if _UNORDERED_LOAD.search(code):
                tree.report("atomic", source.path, number, "no memory order given; say it, and with what it pairs")
            if _ORDERED.search(code) and "using " not in code:
                # The comment may stand anywhere in the statement's own paragraph of code.
                near = source.lines[max(0, number - 1 - _PARTNER_LINES):number + 2]
                if not any(_PARTNER.search(text) for text in near):
                    tree.report("atomic", source.path, number,
                                "an ordered atomic operation without its partner; write `// pairs with ...` beside it")
