// Stores that go past the caches; the one header with intrinsics for them.
//
// A line of the output that is only written need not be read first, which a plain
// store would do: out of place, a third of a light kernel's memory traffic. There is
// no way to ask gcc for such stores but the intrinsics (ARCHITECTURE.md, "Large
// arrays", has the gain). Where a level has none here, plain copies do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace fastact {

inline constexpr std::ptrdiff_t line = 64;

// Elements from `start` to the beginning of the next cache line.
template <class T> std::ptrdiff_t to_next_line(const T* start) {
    return std::ptrdiff_t(-reinterpret_cast<std::uintptr_t>(start) % line / sizeof(T));
}

// body(start, stop) for elements 0..size of an output, begun anew where a line of it does: vectors
// that cross lines take twice the time, and NumPy's arrays begin anywhere. Of shorter ones than
// `worthwhile` the second loop takes what that saves (relu: 256 elements as before, 512 a twelfth less).
template <class T, class Body> void from_line(const T* out, std::ptrdiff_t size, Body body) {
    constexpr std::ptrdiff_t worthwhile = 256;
    const std::ptrdiff_t lead = size >= worthwhile ? to_next_line(out) : 0;
    for (std::ptrdiff_t start = 0, stop = lead ? lead : size; start < size; start = stop, stop = size)
        body(start, stop);
}

// Copies `size` elements to `out`, whole lines past the caches where `out` begins one.
template <class T> void stream(const T* buffer, T* out, std::ptrdiff_t size) {
    std::ptrdiff_t done = 0;
#if defined(__x86_64__)
    const bool aligned = reinterpret_cast<std::uintptr_t>(out) % line == 0;
    const std::ptrdiff_t per_line = line / std::ptrdiff_t(sizeof(T));
    for (; aligned && done + per_line <= size; done += per_line) {
        const char* from = reinterpret_cast<const char*>(buffer + done);
        char* to = reinterpret_cast<char*>(out + done);
#if defined(__AVX512F__)
        _mm512_stream_si512(reinterpret_cast<__m512i*>(to), _mm512_load_si512(from));
#elif defined(__AVX__)
        for (int part = 0; part < line; part += 32)
            _mm256_stream_si256(reinterpret_cast<__m256i*>(to + part),
                                _mm256_load_si256(reinterpret_cast<const __m256i*>(from + part)));
#else
        for (int part = 0; part < line; part += 16)
            _mm_stream_si128(reinterpret_cast<__m128i*>(to + part),
                             _mm_load_si128(reinterpret_cast<const __m128i*>(from + part)));
#endif
    }
#endif
    std::memcpy(out + done, buffer + done, std::size_t(size - done) * sizeof(T));
}

// After the last `stream` of a thread, before others may read.
inline void end_of_stream() {
#if defined(__x86_64__)
    _mm_sfence();
#endif
}

}  // namespace fastact
