#!/usr/bin/env python3
"""A bad network: passes bytes on between those who connect and a server, in pieces, late, and not always to the end.

usage: proxy.py LISTEN_PORT SERVER_PORT SEED

Each connection has a fate of its own, drawn from the seed: both ways are split into pieces and delayed, and about half are cut after some bytes
in one of the directions: at once in both, or in the one alone, half a second before the other. Ends with SIGTERM.
"""

import asyncio
import random
import sys


class Fate:
    """What becomes of one connection."""

    def __init__(self, generator):
        self.generator = generator
        # Small ones cut heads, large ones batches.
        self.cut = generator.choice([None, generator.randrange(1, 300), generator.randrange(1, 20_000), None, generator.randrange(1, 300_000), None])
        self.direction = generator.randrange(2)
        self.is_abrupt = generator.random() < 0.7
        self.largest = generator.choice([3, 100, 1_400, 65_536])
        self.delay = generator.choice([0, 0, 0.002, 0.02])

    async def pass_on(self, direction, reader, writer, end):
        passed = 0
        try:
            while data := await reader.read(1 << 16):
                # A long answer in pieces of three bytes would take minutes: the first of it is enough.
                while data:
                    most = self.largest if passed < 2_000 else max(self.largest, 4_096)
                    piece, data = data[:most], data[most:]
                    if direction == self.direction and self.cut is not None and passed + len(piece) > self.cut:
                        writer.write(piece[:self.cut - passed])
                        await writer.drain()
                        if not self.is_abrupt:
                            writer.write_eof()
                            await asyncio.sleep(0.5)
                        return
                    passed += len(piece)
                    writer.write(piece)
                    await writer.drain()
                    if self.delay and self.generator.random() < 0.2:
                        await asyncio.sleep(self.generator.random() * self.delay)
        except OSError:
            pass
        finally:
            end()


async def main(listen_port, server_port, seed):
    generator = random.Random(seed)

    async def connected(reader, writer):
        fate = Fate(random.Random(generator.random()))
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", server_port)
        except OSError:
            writer.transport.abort()
            return

        def end():
            writer.transport.abort()
            server_writer.transport.abort()

        await asyncio.gather(
            fate.pass_on(0, reader, server_writer, end), fate.pass_on(1, server_reader, writer, end), return_exceptions=True)

    async with await asyncio.start_server(connected, "127.0.0.1", listen_port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    if len(sys.argv) != 4:
        print(__doc__)
        sys.exit(64)
    asyncio.run(main(*map(int, sys.argv[1:])))
