// What gcc makes of the one `prange` calls three functions of its OpenMP runtime. They are defined here,
// hidden in this module, because of how libgomp waits: its workers spin for milliseconds after a region,
// on processors that the next product of matrices wants, and a region ends only when all of them have
// come, however late. The environment could say otherwise, for every library of the process. Here a
// worker lingers for some microseconds and sleeps, a region is over when its shares are done, whoever did
// them, and where the system gives no thread, the caller does them all (libgomp ends the process).
//
// ABI: gcc's libgomp, `GOMP_parallel` (since 4.9): body and data of the region, the number of threads.
#include "runtime/team.hpp"

#if FASTACT_TEAM

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <mutex>

#include "runtime/affinity.hpp"
#include "runtime/clock.hpp"
#include "runtime/shares.hpp"

namespace fastact {
namespace {

// The region that runs, of which there is one at a time. Its fields are written while no worker is inside.
struct Region {
    void (*body)(void*);
    void* data;
    Shares threads;  // the numbers that the body sees, each run once
};

Region region;
std::atomic<bool> taken{false};

// Whether workers may enter, and how many are inside: how many more may enter × `seat` + inside.
constexpr unsigned seat = 1u << 16, inside = seat - 1;
std::atomic<unsigned> seats{0};
std::atomic<unsigned> bell{0};
// Whether the bell has rung since a worker went to sleep: once is enough, however late they wake.
std::atomic<bool> called{false};

std::atomic<int> started{0}, awake{0};
std::mutex starting;
Time refused = 0;
constexpr Time before_another_try = 1'000'000'000;
// Ours is 32 KiB; where the stack holds the threads' static storage too, that is glibc's.
constexpr size_t stack_size = 512 * 1024;

thread_local int number = 0;
thread_local int team_size = 1;

inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// Whether `word` is another than `value` after a short wait, in which others may have the processor.
bool changes(const std::atomic<unsigned>& word, unsigned value) {
    for (const Time start = now(); now() - start < linger_ns; sched_yield())
        for (int turn = 0; turn < 32; ++turn, relax())
            if (word.load(std::memory_order_acquire) != value) return true;
    return false;
}

void run(int place) {
    number = place;
    for (int share; (share = region.threads.take(number)) >= 0;) {
        number = share;
        region.body(region.data);
    }
    number = 0;
}

bool enter() {
    unsigned free = seats.load(std::memory_order_relaxed);
    while (free >= seat)
        if (seats.compare_exchange_weak(free, free - seat + 1, std::memory_order_acquire)) return true;
    return false;
}

void* work(void* argument) {
    const int place = int(reinterpret_cast<long>(argument));
    awake.fetch_add(1, std::memory_order_relaxed);
    for (;;) {
        const unsigned heard = bell.load(std::memory_order_acquire);
        if (!enter()) {
            if (changes(bell, heard)) continue;
            // In this order: who sees it asleep may call it.
            called.store(false, std::memory_order_relaxed);
            awake.fetch_sub(1);
            bell.wait(heard);
            awake.fetch_add(1, std::memory_order_relaxed);
            continue;
        }
        team_size = region.threads.size();
        run(place);
        if (seats.fetch_sub(1, std::memory_order_release) == 1) seats.notify_one();
    }
}

// Where workers may run: on the processors that the call may use, but for the caller's. Linux puts a thread
// that is woken on its waker's processor where the two have no cache in common, as in many virtual machines,
// and there it waits for the caller, or the caller for it. While the workers are taken.
struct Places {
    pthread_t workers[most_shares];
    Processors processors;
    int callers = -1, placed = 0;

    void choose() {
        const Processors& allowed = allowed_processors();
        const int here = sched_getcpu(), count = started.load(std::memory_order_acquire);
        if (here == callers && count == placed && allowed == processors) return;
        callers = here, placed = count, processors = allowed;
        Processors apart = allowed;
        apart.remove(here);
        const Processors& where = apart.count() ? apart : allowed;
        if (where.count() == 0) return;
        for (int k = 0; k < count; ++k)
            pthread_setaffinity_np(workers[k], sizeof where.words, reinterpret_cast<const cpu_set_t*>(&where.words));
    }
} places;

// Signals are the business of the program's own threads: no worker takes one from a thread that waits for it.
// Its own faults are a worker's, so that who reports them (faulthandler) can.
bool start(int place) {
    pthread_attr_t attributes;
    sigset_t all, before;
    sigfillset(&all);
    for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) sigdelset(&all, fault);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, stack_size);
    void* const argument = reinterpret_cast<void*>(long(place));
    const bool given = pthread_create(&places.workers[place - 1], &attributes, work, argument) == 0;
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return given;
}

}  // namespace

int workers(int wanted) {
    wanted = std::min(wanted, most_shares - 1);
    if (started.load(std::memory_order_acquire) >= wanted) return wanted;
    const std::lock_guard<std::mutex> alone(starting);
    int count = started;
    if (!refused || now() - refused > before_another_try) {
        while (count < wanted && start(count + 1)) started = ++count;
        refused = count < wanted ? now() : 0;
    }
    return std::min(count, wanted);
}

// Its order among all, with what a worker and a caller do to `awake` and `bell`, lets at least one of the two see the
// other: the caller a worker that has gone to sleep, or the worker that the bell has rung.
int awake_workers() { return awake.load(); }

void wake_workers() {
    if (called.load(std::memory_order_relaxed) || taken.exchange(true, std::memory_order_acquire)) return;
    called.store(true, std::memory_order_relaxed);
    places.choose();
    bell.fetch_add(1, std::memory_order_release);
    bell.notify_all();
    taken.store(false, std::memory_order_release);
}

}  // namespace fastact

extern "C" {

int omp_get_thread_num() { return fastact::number; }
int omp_get_num_threads() { return fastact::team_size; }

// Orders what each thread reads of the loop's index before what the last one writes of it, a value that
// nobody reads.
void GOMP_barrier() {}

// A call that comes while another one has the workers computes alone: more threads than processors
// would gain nothing.
void GOMP_parallel(void (*body)(void*), void* data, unsigned threads, unsigned) {
    using namespace fastact;
    const unsigned hands = std::min(int(threads) - 1, started.load(std::memory_order_relaxed));
    team_size = int(threads);
    if (hands == 0 || taken.exchange(true, std::memory_order_acquire)) {
        for (number = 0; number < int(threads); ++number) body(data);
        number = 0, team_size = 1;
        return;
    }
    region.body = body, region.data = data;
    region.threads.open(int(threads));
    places.choose();
    seats.store(hands * seat, std::memory_order_release);
    bell.fetch_add(1);
    if (awake_workers() < int(hands)) bell.notify_all();
    run(0);
    for (unsigned left = seats.fetch_and(inside, std::memory_order_acquire) & inside; left;
         left = seats.load(std::memory_order_acquire))
        if (!changes(seats, left)) seats.wait(left, std::memory_order_acquire);
    taken.store(false, std::memory_order_release);
    team_size = 1;
}

}  // extern "C"

#endif
