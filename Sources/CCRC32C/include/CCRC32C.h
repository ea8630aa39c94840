#ifndef GODWIT_CCRC32C_H
#define GODWIT_CCRC32C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// CRC32C (Castagnoli; RFC 3720, appendix B.4) of `length` bytes at `data`, continued from `crc`, the result of an earlier call (0 at
/// first). Uses the processor's instruction where there is one.
uint32_t godwit_crc32c(uint32_t crc, const void *data, size_t length);

/// The same by table, on every processor.
uint32_t godwit_crc32c_table(uint32_t crc, const void *data, size_t length);

/// Whether `godwit_crc32c` uses the processor's instruction.
bool godwit_crc32c_is_hardware(void);

#endif
