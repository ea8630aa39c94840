#include "CCRC32C.h"

#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#if defined(__linux__)
#include <sys/auxv.h>
#ifndef HWCAP_CRC32
#define HWCAP_CRC32 (1 << 7)
#endif
#endif
#endif

// The table of the reflected polynomial 0x82f63b78, and seven more that advance a byte by one to seven places ("slicing by 8":
// M. E. Kounavis and F. L. Berry, "Novel Table Lookup-Based Algorithms for High-Performance CRC Generation", 2008). Computed before
// main, so that no call has to ask whether it is there.
static uint32_t table[8][256];

__attribute__((constructor)) static void fill_table(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0x82f63b78u & (0u - (crc & 1)));
        table[0][byte] = crc;
    }
    for (uint32_t byte = 0; byte < 256; byte++)
        for (int place = 1; place < 8; place++) {
            uint32_t crc = table[place - 1][byte];
            table[place][byte] = (crc >> 8) ^ table[0][crc & 0xff];
        }
}

uint32_t godwit_crc32c_table(uint32_t crc, const void *data, size_t length) {
    const uint8_t *bytes = data;
    crc = ~crc;
    for (; length >= 8; length -= 8, bytes += 8) {
        uint32_t low = crc ^ ((uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24);
        crc = table[7][low & 0xff] ^ table[6][low >> 8 & 0xff] ^ table[5][low >> 16 & 0xff] ^ table[4][low >> 24] ^ table[3][bytes[4]]
            ^ table[2][bytes[5]] ^ table[1][bytes[6]] ^ table[0][bytes[7]];
    }
    while (length--) crc = (crc >> 8) ^ table[0][(crc ^ *bytes++) & 0xff];
    return ~crc;
}

#if defined(__x86_64__)

// One chain of crc32 instructions waits three cycles for each result; three chains side by side use every cycle. Their results are joined
// by multiplying with x^n modulo the polynomial, here through tables for the two lengths that are used.
enum { LONG_LANE = 1024, SHORT_LANE = 128 };
typedef uint32_t shift_table[4][256];
static shift_table long_shift, short_shift;

static void fill_shift(shift_table shift, int lane) {
    // column[i]: what `lane` zero bytes make of the register that holds bit i alone
    uint32_t column[32];
    for (int bit = 0; bit < 32; bit++) {
        uint32_t crc = 1u << bit;
        for (int step = 0; step < lane * 8; step++) crc = (crc >> 1) ^ (0x82f63b78u & (0u - (crc & 1)));
        column[bit] = crc;
    }
    for (int byte = 0; byte < 4; byte++)
        for (uint32_t value = 0; value < 256; value++) {
            uint32_t crc = 0;
            for (int bit = 0; bit < 8; bit++)
                if (value >> bit & 1) crc ^= column[byte * 8 + bit];
            shift[byte][value] = crc;
        }
}

__attribute__((constructor)) static void fill_shifts(void) {
    fill_shift(long_shift, LONG_LANE);
    fill_shift(short_shift, SHORT_LANE);
}

static inline uint64_t shift(const shift_table shift, uint64_t crc) {
    return shift[0][crc & 0xff] ^ shift[1][crc >> 8 & 0xff] ^ shift[2][crc >> 16 & 0xff] ^ shift[3][crc >> 24 & 0xff];
}

static inline uint64_t load(const uint8_t *bytes) {
    uint64_t word;
    memcpy(&word, bytes, 8);
    return word;
}

__attribute__((target("sse4.2"))) static inline uint64_t three_lanes(uint64_t crc, const uint8_t *bytes, size_t lane, const shift_table by) {
    uint64_t second = 0, third = 0;
    for (size_t i = 0; i < lane; i += 8) {
        crc = _mm_crc32_u64(crc, load(bytes + i));
        second = _mm_crc32_u64(second, load(bytes + lane + i));
        third = _mm_crc32_u64(third, load(bytes + 2 * lane + i));
    }
    return shift(by, shift(by, crc) ^ second) ^ third;
}

__attribute__((target("sse4.2"))) static uint32_t crc32c_hardware(uint32_t start, const void *data, size_t length) {
    const uint8_t *bytes = data;
    uint64_t crc = ~start;
    for (; length >= 3 * LONG_LANE; length -= 3 * LONG_LANE, bytes += 3 * LONG_LANE) crc = three_lanes(crc, bytes, LONG_LANE, long_shift);
    for (; length >= 3 * SHORT_LANE; length -= 3 * SHORT_LANE, bytes += 3 * SHORT_LANE)
        crc = three_lanes(crc, bytes, SHORT_LANE, short_shift);
    for (; length >= 8; length -= 8, bytes += 8) crc = _mm_crc32_u64(crc, load(bytes));
    if (length & 4) {
        uint32_t word;
        memcpy(&word, bytes, 4);
        crc = _mm_crc32_u32((uint32_t)crc, word);
        bytes += 4;
    }
    if (length & 2) {
        uint16_t word;
        memcpy(&word, bytes, 2);
        crc = _mm_crc32_u16((uint32_t)crc, word);
        bytes += 2;
    }
    if (length & 1) crc = _mm_crc32_u8((uint32_t)crc, *bytes);
    return ~(uint32_t)crc;
}

static bool hardware;
__attribute__((constructor)) static void look_for_hardware(void) {
    __builtin_cpu_init();
    hardware = __builtin_cpu_supports("sse4.2");
}

#elif defined(__aarch64__)

#if defined(__clang__)
#define CRC_TARGET __attribute__((target("crc")))
#else
#define CRC_TARGET __attribute__((target("+crc")))
#endif

CRC_TARGET static uint32_t crc32c_hardware(uint32_t start, const void *data, size_t length) {
    const uint8_t *bytes = data;
    uint32_t crc = ~start;
    for (; length >= 8; length -= 8, bytes += 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        crc = __crc32cd(crc, word);
    }
    while (length--) crc = __crc32cb(crc, *bytes++);
    return ~crc;
}

static bool hardware;
__attribute__((constructor)) static void look_for_hardware(void) {
#if defined(__APPLE__)
    hardware = true;  // every Apple processor of this architecture has it
#elif defined(__linux__)
    hardware = (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
#endif
}

#else

static const bool hardware = false;
static uint32_t crc32c_hardware(uint32_t crc, const void *data, size_t length) { return godwit_crc32c_table(crc, data, length); }

#endif

bool godwit_crc32c_is_hardware(void) { return hardware; }

uint32_t godwit_crc32c(uint32_t crc, const void *data, size_t length) {
    return hardware ? crc32c_hardware(crc, data, length) : godwit_crc32c_table(crc, data, length);
}
