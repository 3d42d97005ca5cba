// What the benchmarks compare with, measured by one thread when first asked for, and memory that no cache holds.
#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>
#include <span>
#include <string>

namespace kedge::bench {

// More than the last-level caches that virtual machines show; shared by all benchmarks, contents left by the last one.
std::span<std::byte> stream_memory();

double read_bytes_per_second();

// Operations per second that an instruction set could do at most, multiply and add as two: of 8-bit numbers or floats.
// `table` is the name of a kernel table. 0: unknown.
double peak_int8(const std::string& table);
double peak_f32(const std::string& table);

// Counters of an iteration that reads `bytes` or does `operations`: the rate, and its part of the limit in percent.
void count_bytes(benchmark::State& state, double bytes);
void count_operations(benchmark::State& state, double operations, double peak);

}  // namespace kedge::bench
