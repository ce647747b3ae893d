// Whether threads have paid for themselves, as told by the clock.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>

namespace fastact {

// An account, in nanoseconds, for calls of about one length. What threads gain over one thread is put
// in, what they lose is taken out: one interrupted call in many that gained costs nothing, and where
// they lose in the mean the account is soon empty. Then calls run on one thread until they have computed
// `patience` times as long as was lost, so that all trials together cost a twentieth; a trial that loses
// again doubles that. A trial begins with a stake, since the first call of several only wakes the workers.
//
// Threads that settle at once may lose an entry of each other, which is an opinion less.
class Account {
  public:
    // Whether threads may be tried for a call that takes so long on one.
    bool trusts(float one_thread) {
        const float rest = owed.load(std::memory_order_relaxed);
        if (rest <= 0) return true;
        owed.store(rest - one_thread, std::memory_order_relaxed);
        return false;
    }

    // A call took `actual`, and would have taken `one_thread`.
    void settle(float one_thread, float actual) {
        const float sum = balance.load(std::memory_order_relaxed) + one_thread - actual;
        const int times = refusals.load(std::memory_order_relaxed);
        if (sum < 0) {
            owed.store((stake - sum) * patience * float(1 << times), std::memory_order_relaxed);
            refusals.store(std::min(times + 1, most_refusals), std::memory_order_relaxed);
        } else if (times && sum > 2 * stake) {
            refusals.store(0, std::memory_order_relaxed);
        }
        balance.store(sum < 0 ? stake : std::min(sum, most), std::memory_order_relaxed);
    }

  private:
    static constexpr float patience = 20, stake = 50e3f, most = 4e6f;
    static constexpr int most_refusals = 5;
    std::atomic<float> balance{stake}, owed{0};
    std::atomic<int> refusals{0};
};

// One account for every doubling of the time that a call takes on one thread: what an interruption
// costs, and how often one comes, depends on that above all.
class Accounts {
  public:
    Account& of(float one_thread_ns) {
        const int doublings = std::bit_width(std::uint64_t(one_thread_ns) >> 12);
        return accounts[std::min<size_t>(doublings, accounts.size() - 1)];
    }

  private:
    std::array<Account, 16> accounts;
};

}  // namespace fastact
