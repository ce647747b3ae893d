// Scratch: arrays that the loops along an axis work in, beside the stack. A kernel has 32 KiB of stack, as
// threads of 64 KiB must do for all (uWSGI's, OMP_STACKSIZE=64k; musl's have 128), and these take up to 256.
#pragma once

#include <cstddef>
#include <mutex>
#include <new>

#include "call.hpp"
#include "loops/streaming.hpp"

namespace fastact {

// What the deepest chain of loops takes, a column of float64 and its noise, and some to spare. Of memory that no loop
// has written to, the system keeps no pages.
inline constexpr Size scratch_size = 3 << 17;

// A thread's second stack, from its first array on until it ends. Where there is no memory for one, threads take
// turns with one that is there from the start, so that no kernel can fail.
class ScratchStack {
  public:
    std::byte* take(Size bytes) noexcept {
        if (!memory) find_memory();
        if (used + bytes > scratch_size) __builtin_trap();
        used += bytes;
        return memory + (used - bytes);
    }
    void give_back(Size bytes) noexcept {
        used -= bytes;
        if (borrowed && used == 0) {
            memory = nullptr, borrowed = false;
            turn.unlock();
        }
    }

  private:
    struct Owner {
        std::byte* memory = nullptr;
        ~Owner() { ::operator delete(memory, alignment); }
    };
    static constexpr std::align_val_t alignment{line};
    alignas(line) static inline std::byte reserve[scratch_size];
    static inline std::mutex turn;

    std::byte* memory = nullptr;
    Size used = 0;
    bool borrowed = false;

    [[gnu::noinline, gnu::cold]] void find_memory() noexcept {
        thread_local Owner owner;
        if (!owner.memory) owner.memory = static_cast<std::byte*>(::operator new(scratch_size, alignment, std::nothrow));
        memory = owner.memory;
        if (memory) return;
        turn.lock();
        memory = reserve, borrowed = true;
    }
};

// Its own address is all that a thread asks for: nothing is initialised when it is first met.
inline constinit thread_local ScratchStack scratch_stack;

// Stands for `alignas(line) T name[count]`.
template <class T, Size count> class Scratch {
  public:
    Scratch() : stack(scratch_stack), memory(reinterpret_cast<T*>(stack.take(bytes))) {}
    ~Scratch() { stack.give_back(bytes); }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    operator T*() const { return memory; }
    T* operator->() const { return memory; }

  private:
    static constexpr Size bytes = (count * Size(sizeof(T)) + line - 1) / line * line;
    ScratchStack& stack;
    T* const memory;
};

}  // namespace fastact
